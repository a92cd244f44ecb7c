//! From the traits of this crate to those of the contract.

use std::marker::PhantomData;

use crate::bindings::coditect::plugin::types::{
    Context, Diagnostic, Document, Error as WireError, Message, Model, Question, Range, TextEdit,
};
use crate::bindings::{
    build_steps, commands, diagnostics, filters, formatters, hooks, participants, providers, status_items, tools, views,
};
use crate::error::{Error, Result};
use crate::json::Arguments;
use crate::offers;
use crate::reply::Reply;
use crate::view::{Action, View};

/// Has the contract's trait for each of this crate's that `P` has.
#[derive(Debug)]
pub struct Plugin<P>(PhantomData<P>);

type Wire<T> = Result<T, WireError>;

fn wire<T>(result: Result<T>) -> Wire<T> {
    result.map_err(Error::into_wire)
}

impl<P: offers::Commands> commands::Guest for Plugin<P> {
    fn run(command: String, context: Context) -> Wire<commands::Outcome> {
        wire(P::run(&command, context))
    }
}

impl<P: offers::Formatters> formatters::Guest for Plugin<P> {
    fn format(document: Document, range: Option<Range>, options: formatters::Options) -> Wire<Vec<TextEdit>> {
        wire(P::format(document, range, options))
    }
}

impl<P: offers::Diagnostics> diagnostics::Guest for Plugin<P> {
    fn check(document: Document) -> Wire<Vec<Diagnostic>> {
        wire(P::check(document))
    }
}

impl<P: offers::Tools> tools::Guest for Plugin<P> {
    fn call(tool: String, arguments: String) -> Wire<String> {
        wire(P::call(&tool, Arguments::new(arguments)))
    }
}

impl<P: offers::Participants> participants::Guest for Plugin<P> {
    fn respond(request: participants::Request) -> Wire<()> {
        wire(P::respond(request, &mut Reply(())))
    }
}

impl<P: offers::Filters> filters::Guest for Plugin<P> {
    fn question(model: String, messages: Vec<Message>) -> Wire<filters::Verdict> {
        wire(P::question(&model, messages))
    }

    fn answer(model: String, text: String) -> Wire<filters::Verdict> {
        wire(P::answer(&model, text))
    }
}

impl<P: offers::Providers> providers::Guest for Plugin<P> {
    fn models(provider: String) -> Wire<Vec<Model>> {
        wire(P::models(&provider))
    }

    fn respond(provider: String, question: Question) -> Wire<()> {
        wire(P::respond(&provider, question, &mut Reply(())))
    }
}

impl<P: offers::Hooks> hooks::Guest for Plugin<P> {
    fn will_save(document: Document) -> Wire<hooks::BeforeSave> {
        wire(P::will_save(document))
    }

    fn changed(events: Vec<hooks::FileEvent>) -> Wire<()> {
        wire(P::changed(events))
    }
}

impl<P: offers::BuildSteps> build_steps::Guest for Plugin<P> {
    fn run(step: String, arguments: String) -> Wire<build_steps::Report> {
        wire(P::run(&step, Arguments::new(arguments)))
    }
}

impl<P: offers::Views> views::Guest for Plugin<P> {
    fn open(view: String, context: Context) -> Wire<views::View> {
        wire(P::open(&view, context).and_then(drawn))
    }

    fn handle(view: String, state: String, action: views::Action, context: Context) -> Wire<views::View> {
        let shown = match serde_json::from_str(&state) {
            Ok(state) => P::handle(&view, state, Action::from_wire(action), context),
            Err(_) => P::open(&view, context),
        };
        wire(shown.and_then(drawn))
    }
}

impl<P: offers::StatusItems> status_items::Guest for Plugin<P> {
    fn show(item: String, context: Context) -> Wire<Option<status_items::Item>> {
        wire(P::show(&item, context))
    }
}

fn drawn<S: serde::Serialize>(view: View<S>) -> Result<views::View> {
    let (state, tree) = (serde_json::to_string(&view.state)?, serde_json::to_string(&view.tree)?);
    Ok(views::View { title: view.title, state, tree })
}

/// Exports exactly the interfaces named, as a plugin's component has to offer what its manifest says and nothing else.
///
/// ```
/// use coditect_plugin_sdk::prelude::*;
///
/// struct Shouting;
///
/// impl Commands for Shouting {
///     fn run(_command: &str, context: Context) -> Result<Outcome> {
///         let document = context.active()?;
///         let whole = LineIndex::new(&document.text).whole();
///         Ok(Outcome::edits(vec![TextEdit::replace(whole, document.text.to_uppercase())]))
///     }
/// }
///
/// impl Tools for Shouting {
///     fn call(_tool: &str, arguments: Arguments) -> Result<String> {
///         Ok(arguments.read::<String>()?.to_uppercase())
///     }
/// }
///
/// plugin!(Shouting: Commands, Tools);
/// ```
///
/// What the type does not implement is refused:
///
/// ```compile_fail
/// use coditect_plugin_sdk::prelude::*;
///
/// struct Shouting;
///
/// plugin!(Shouting: Commands);
/// ```
#[macro_export]
macro_rules! plugin {
    ($plugin:ty: $($interface:ident),+ $(,)?) => {
        const _: () = {
            type Exported = $crate::export::Plugin<$plugin>;
            $($crate::__export!($interface Exported);)+
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    (Commands $plugin:ident) => { $crate::bindings::commands::export!($plugin with_types_in $crate::bindings::commands); };
    (Formatters $plugin:ident) => { $crate::bindings::formatters::export!($plugin with_types_in $crate::bindings::formatters); };
    (Diagnostics $plugin:ident) => { $crate::bindings::diagnostics::export!($plugin with_types_in $crate::bindings::diagnostics); };
    (Tools $plugin:ident) => { $crate::bindings::tools::export!($plugin with_types_in $crate::bindings::tools); };
    (Participants $plugin:ident) => { $crate::bindings::participants::export!($plugin with_types_in $crate::bindings::participants); };
    (Filters $plugin:ident) => { $crate::bindings::filters::export!($plugin with_types_in $crate::bindings::filters); };
    (Providers $plugin:ident) => { $crate::bindings::providers::export!($plugin with_types_in $crate::bindings::providers); };
    (Hooks $plugin:ident) => { $crate::bindings::hooks::export!($plugin with_types_in $crate::bindings::hooks); };
    (BuildSteps $plugin:ident) => { $crate::bindings::build_steps::export!($plugin with_types_in $crate::bindings::build_steps); };
    (Views $plugin:ident) => { $crate::bindings::views::export!($plugin with_types_in $crate::bindings::views); };
    (StatusItems $plugin:ident) => { $crate::bindings::status_items::export!($plugin with_types_in $crate::bindings::status_items); };
    ($other:ident $plugin:ident) => {
        ::std::compile_error!(::std::concat!(
            "`", ::std::stringify!($other), "` is no interface of plugins: there are Commands, Formatters, Diagnostics, Tools, ",
            "Participants, Filters, Providers, Hooks, BuildSteps, Views and StatusItems"
        ));
    };
}
