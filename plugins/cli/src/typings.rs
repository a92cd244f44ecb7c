//! `wit/plugin.d.ts`: the contract as TypeScript sees it, a module for each interface.
//!
//! Names and shapes are those that componentize-qjs 0.4 gives and takes: numbers of 64 bits are numbers too, and `none` is `null`, where
//! `undefined` and an absent field are taken as well.

use wit_bindgen_core::wit_parser::{
    Docs, Function, FunctionKind, Handle, Interface, InterfaceId, Resolve, SourceMap, Type, TypeDef, TypeDefKind,
    TypeId, TypeOwner, WorldItem,
};

use crate::error::CliError;

const HEAD: &str = "\
// Made by `coditect-plugin build` from the contract, which is in wit/deps; it is written anew when that changes.
//
// An import that fails throws an `Error` of JavaScript whose `payload` is what its documentation says. An export that fails throws the
// payload itself, or lets what an import threw pass.
";

/// Names that neither functions nor parameters can have.
const RESERVED: &str = "\
    arguments await break case catch class const continue debugger default delete do else enum eval export extends \
    false finally for function if implements import in instanceof interface let new null package private protected \
    public return static super switch this throw true try typeof var void while with yield";

/// The declarations for files of one package in WIT, each with its path.
pub(crate) fn typings(wit: &[(&str, &str)]) -> Result<String, CliError> {
    let mut sources = SourceMap::default();
    wit.iter().for_each(|(path, text)| sources.push_str(path, *text));
    let wrong = |error: &dyn std::fmt::Display| CliError::Build(format!("the contract cannot be read: {error:#}"));
    let group = sources.parse().map_err(|(sources, error)| wrong(&error.highlight(&sources)))?;
    let mut resolve = Resolve::default();
    resolve.push_group(group).map_err(|error| wrong(&error))?;
    let contract = Contract { resolve: &resolve };
    let modules: String = resolve.interfaces.iter().map(|(id, interface)| contract.module(id, interface)).collect();
    Ok(format!("{HEAD}{modules}"))
}

/// Who throws an error: what is caught differs from what is thrown.
#[derive(Clone, Copy)]
enum Side {
    Import,
    Export,
}

struct Contract<'a> {
    resolve: &'a Resolve,
}

impl Contract<'_> {
    fn module(&self, id: InterfaceId, interface: &Interface) -> String {
        let name = interface.name.as_deref().unwrap_or_default();
        let own = |of: &TypeId| self.used(id, *of).is_none();
        let types = interface.types.values().filter(|of| own(of)).map(|of| match &self.resolve.types[*of].kind {
            TypeDefKind::Resource => self.class(*of, interface),
            _ => self.declaration(&self.resolve.types[*of]),
        });
        let functions = interface.functions.values().filter(|function| function.kind.resource().is_none());
        let functions: Vec<String> = match self.is_exported(id) {
            true => {
                let methods = functions.map(|function| self.method(function, Side::Export));
                vec![block(&doc(&interface.docs, None), &format!("export interface {}", pascal(name)), methods)]
            }
            false => functions.map(|function| self.function(function)).collect(),
        };
        let parts: Vec<String> = self.imports(id, interface).into_iter().chain(types).chain(functions).collect();
        let docs = if self.is_exported(id) { String::new() } else { doc(&interface.docs, None) };
        let full = self.resolve.id_of(id).unwrap_or_default();
        format!("\n{docs}declare module '{full}' {{\n{}}}\n", indented(&parts.join("\n")))
    }

    fn is_exported(&self, interface: InterfaceId) -> bool {
        let mut exports = self.resolve.worlds.iter().flat_map(|(_, world)| world.exports.values());
        exports.any(|item| matches!(item, WorldItem::Interface { id, .. } if *id == interface))
    }

    /// Of a type that an interface uses from another one: that one, and its name there.
    fn used(&self, interface: InterfaceId, id: TypeId) -> Option<(InterfaceId, &str)> {
        let TypeDefKind::Type(Type::Id(of)) = self.resolve.types[id].kind else { return None };
        let of = &self.resolve.types[of];
        match of.owner {
            TypeOwner::Interface(owner) if owner != interface => Some((owner, of.name.as_deref()?)),
            _ => None,
        }
    }

    /// `import type` for what is used of other interfaces.
    fn imports(&self, id: InterfaceId, interface: &Interface) -> Option<String> {
        let used = interface.types.iter().filter_map(|(name, of)| self.used(id, *of).map(|used| (name, used)));
        let mut lines: Vec<(InterfaceId, Vec<String>)> = Vec::new();
        for (name, (owner, original)) in used {
            let words = match name == original {
                true => pascal(name),
                false => format!("{} as {}", pascal(original), pascal(name)),
            };
            match lines.iter_mut().find(|(from, _)| *from == owner) {
                Some((_, names)) => names.push(words),
                None => lines.push((owner, vec![words])),
            }
        }
        let line = |(from, names): (InterfaceId, Vec<String>)| {
            let from = self.resolve.id_of(from).unwrap_or_default();
            format!("import type {{ {} }} from '{from}';\n", names.join(", "))
        };
        (!lines.is_empty()).then(|| lines.into_iter().map(line).collect())
    }

    fn declaration(&self, of: &TypeDef) -> String {
        let (docs, name) = (doc(&of.docs, None), pascal(of.name.as_deref().unwrap_or_default()));
        let interface = format!("export interface {name}");
        match &of.kind {
            TypeDefKind::Record(record) => {
                let fields = record.fields.iter();
                let fields =
                    fields.map(|field| format!("{}{};\n", doc(&field.docs, None), self.field(&field.name, &field.ty)));
                block(&docs, &interface, fields)
            }
            TypeDefKind::Flags(flags) => {
                let flags = flags.flags.iter();
                let flags = flags.map(|flag| format!("{}{}: boolean;\n", doc(&flag.docs, None), camel(&flag.name)));
                block(&docs, &interface, flags)
            }
            TypeDefKind::Variant(variant) => {
                let cases = variant.cases.iter();
                let cases = cases
                    .map(|case| format!("{}| {}\n", doc(&case.docs, None), self.tagged(&case.name, case.ty.as_ref())));
                format!("{docs}export type {name} =\n{};\n", indented(&cases.collect::<String>()).trim_end())
            }
            TypeDefKind::Enum(cases) => {
                let cases: Vec<_> = cases.cases.iter().map(|case| format!("'{}'", case.name)).collect();
                format!("{docs}export type {name} = {};\n", cases.join(" | "))
            }
            kind => format!("{docs}export type {name} = {};\n", self.kind(kind)),
        }
    }

    /// A record's field; where it may be none, it may be left out too.
    fn field(&self, name: &str, of: &Type) -> String {
        let may_be_absent = self.option(of).is_some_and(|inner| self.option(inner).is_none());
        format!("{}{}: {}", camel(name), if may_be_absent { "?" } else { "" }, self.name(of))
    }

    fn class(&self, id: TypeId, interface: &Interface) -> String {
        let of = &self.resolve.types[id];
        let functions = || interface.functions.values().filter(|function| function.kind.resource() == Some(id));
        let is_made_here = functions().any(|function| matches!(function.kind, FunctionKind::Constructor(_)));
        let closed = (!is_made_here).then(|| "private constructor();\n".to_owned());
        let methods = functions().map(|function| self.method(function, Side::Import));
        let name = format!("export class {}", pascal(of.name.as_deref().unwrap_or_default()));
        block(&doc(&of.docs, None), &name, closed.into_iter().chain(methods))
    }

    /// A function of an interface or class.
    fn method(&self, of: &Function, side: Side) -> String {
        let docs = doc(&of.docs, self.throws(of, side).as_deref());
        match of.kind {
            FunctionKind::Constructor(_) => format!("{docs}constructor({});\n", self.parameters(of)),
            FunctionKind::Static(_) => format!("{docs}static {}{};\n", camel(of.item_name()), self.signature(of)),
            _ => format!("{docs}{}{};\n", camel(of.item_name()), self.signature(of)),
        }
    }

    /// A function of a module.
    fn function(&self, of: &Function) -> String {
        let (name, free) = (camel(&of.name), free(&of.name));
        let (docs, signature) = (doc(&of.docs, self.throws(of, Side::Import).as_deref()), self.signature(of));
        match name == free {
            true => format!("{docs}export function {name}{signature};\n"),
            false => format!("{docs}function {free}{signature};\nexport {{ {free} as {name} }};\n"),
        }
    }

    fn signature(&self, of: &Function) -> String {
        let returned = of.result.as_ref().map(|result| match self.fallible(result) {
            Some((ok, _)) => ok.map_or_else(|| "void".to_owned(), |ok| self.name(&ok)),
            None => self.name(result),
        });
        format!("({}): {}", self.parameters(of), returned.as_deref().unwrap_or("void"))
    }

    fn parameters(&self, of: &Function) -> String {
        let is_method = matches!(of.kind, FunctionKind::Method(_));
        let given = of.params.iter().skip(usize::from(is_method));
        given.map(|param| format!("{}: {}", free(&param.name), self.name(&param.ty))).collect::<Vec<_>>().join(", ")
    }

    fn throws(&self, of: &Function, side: Side) -> Option<String> {
        let thrown = self.name(&self.fallible(of.result.as_ref()?)?.1?);
        Some(match side {
            Side::Import => format!("@throws {{{{ payload: {thrown} }}}}"),
            Side::Export => format!("@throws {{{thrown}}}"),
        })
    }

    /// What a result may be: of a function, the one is returned and the other thrown.
    fn fallible(&self, of: &Type) -> Option<(Option<Type>, Option<Type>)> {
        let Type::Id(id) = of else { return None };
        match &self.resolve.types[*id].kind {
            TypeDefKind::Result(result) => Some((result.ok, result.err)),
            TypeDefKind::Type(of) => self.fallible(of),
            _ => None,
        }
    }

    /// What may be none, unless a name stands for that.
    fn option(&self, of: &Type) -> Option<&Type> {
        let Type::Id(id) = of else { return None };
        match &self.resolve.types[*id].kind {
            TypeDefKind::Option(inner) => Some(inner),
            TypeDefKind::Type(of) => self.option(of),
            _ => None,
        }
    }

    fn name(&self, of: &Type) -> String {
        match of {
            Type::Bool => "boolean".to_owned(),
            Type::Char | Type::String => "string".to_owned(),
            Type::ErrorContext => "unknown".to_owned(),
            Type::Id(id) => {
                let of = &self.resolve.types[*id];
                of.name.as_deref().map_or_else(|| self.kind(&of.kind), pascal)
            }
            _ => "number".to_owned(),
        }
    }

    fn kind(&self, kind: &TypeDefKind) -> String {
        match kind {
            TypeDefKind::Type(of) => self.name(of),
            TypeDefKind::Handle(Handle::Own(id) | Handle::Borrow(id)) => self.name(&Type::Id(*id)),
            TypeDefKind::List(Type::U8) => "Uint8Array".to_owned(),
            TypeDefKind::List(Type::S8) => "Int8Array".to_owned(),
            TypeDefKind::List(of) => match self.name(of) {
                union if union.contains('|') => format!("({union})[]"),
                name => format!("{name}[]"),
            },
            TypeDefKind::Tuple(tuple) => {
                format!("[{}]", tuple.types.iter().map(|of| self.name(of)).collect::<Vec<_>>().join(", "))
            }
            TypeDefKind::Option(of) if self.option(of).is_some() => {
                format!("{} | {}", self.tagged("some", Some(of)), self.tagged("none", None))
            }
            TypeDefKind::Option(of) => format!("{} | null", self.name(of)),
            TypeDefKind::Result(result) => {
                format!("{} | {}", self.tagged("ok", result.ok.as_ref()), self.tagged("err", result.err.as_ref()))
            }
            // Nothing of the contract is asynchronous, or a map.
            _ => "unknown".to_owned(),
        }
    }

    fn tagged(&self, tag: &str, of: Option<&Type>) -> String {
        of.map_or_else(|| format!("{{ tag: '{tag}' }}"), |of| format!("{{ tag: '{tag}'; val: {} }}", self.name(of)))
    }
}

fn block(docs: &str, head: &str, members: impl Iterator<Item = String>) -> String {
    format!("{docs}{head} {{\n{}}}\n", indented(&members.collect::<String>()))
}

fn indented(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") }).collect()
}

/// What WIT says about something, and a last line.
fn doc(docs: &Docs, last: Option<&str>) -> String {
    let text = docs.contents.as_deref().unwrap_or_default().trim().replace("*/", "*\\/");
    let lines: Vec<&str> = text.lines().chain(last).collect();
    match lines.as_slice() {
        [] => String::new(),
        [line] => format!("/** {line} */\n"),
        lines => {
            let lines: String = lines.iter().map(|line| format!("{}\n", format!(" * {line}").trim_end())).collect();
            format!("/**\n{lines} */\n")
        }
    }
}

/// `text-edit` → `textEdit`.
fn camel(name: &str) -> String {
    let all = pascal(name);
    let mut letters = all.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// `text-edit` → `TextEdit`.
fn pascal(name: &str) -> String {
    let word = |word: &str| {
        let lower = word.to_lowercase();
        let mut letters = lower.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    };
    name.split('-').map(word).collect()
}

/// A name for a function or parameter.
fn free(name: &str) -> String {
    let name = camel(name);
    if RESERVED.split_whitespace().any(|word| word == name) { format!("{name}_") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARED: &str = "\
package a:b@1.0.0;
interface shared {
    /// Why not.
    variant error {
        /// It is gone.
        gone(string),
        late,
    }
    flags rights { may-read, may-write }
}
world all { import shelf; export watchers; }
";
    const OTHERS: &str = "\
package a:b@1.0.0;
/// Keeps things. `a/*/b`.
interface shelf {
    use shared.{error, rights as given};
    enum kind { small, very-large }
    type pairs = list<tuple<string, u64>>;
    record thing {
        /// One line.
        kind: kind,
        line-length: option<u32>,
        twice: option<option<u32>>,
        part: result<s8>,
        bytes: list<u8>,
        marks: list<option<char>>,
    }
    resource box {
        constructor(size: u32);
        open: static func(path: string) -> result<box, error>;
        put-in: func(what: thing, new: bool);
    }
    resource lid { turn: func() -> f32; }
    /// Throws it away.
    delete: func(name: string, %with: given) -> result<_, error>;
    all: func(of: borrow<lid>) -> pairs;
}
/// Look.
interface watchers {
    use shared.{error};
    look-at: func(what: option<string>) -> result<option<string>, error>;
}
";
    const EXPECTED: &str = "\
/** Why not. */
    export type Error =
        /** It is gone. */
        | { tag: 'gone'; val: string }
        | { tag: 'late' };

    export interface Rights {
        mayRead: boolean;
        mayWrite: boolean;
    }
}

/** Keeps things. `a/*\\/b`. */
declare module 'a:b/shelf@1.0.0' {
    import type { Error, Rights as Given } from 'a:b/shared@1.0.0';

    export type Kind = 'small' | 'very-large';

    export type Pairs = [string, number][];

    export interface Thing {
        /** One line. */
        kind: Kind;
        lineLength?: number | null;
        twice: { tag: 'some'; val: number | null } | { tag: 'none' };
        part: { tag: 'ok'; val: number } | { tag: 'err' };
        bytes: Uint8Array;
        marks: (string | null)[];
    }

    export class Box {
        constructor(size: number);
        /** @throws {{ payload: Error }} */
        static open(path: string): Box;
        putIn(what: Thing, new_: boolean): void;
    }

    export class Lid {
        private constructor();
        turn(): number;
    }

    /**
     * Throws it away.
     * @throws {{ payload: Error }}
     */
    function delete_(name: string, with_: Given): void;
    export { delete_ as delete };

    export function all(of: Lid): Pairs;
}

declare module 'a:b/watchers@1.0.0' {
    import type { Error } from 'a:b/shared@1.0.0';

    /** Look. */
    export interface Watchers {
        /** @throws {Error} */
        lookAt(what: string | null): string | null;
    }
}
";

    #[test]
    fn an_interface_is_a_module() {
        let written = typings(&[("shared.wit", SHARED), ("others.wit", OTHERS)]).unwrap();
        let (head, modules) = written.split_once("declare module 'a:b/shared@1.0.0' {\n    ").unwrap();
        assert_eq!(head.trim_end(), HEAD.trim_end());
        assert_eq!(modules, EXPECTED);
    }

    #[test]
    fn the_contract_has_a_type_for_all_that_can_be_offered() {
        let written = typings(crate::embedded::WIT).unwrap();
        for interface in ["Commands", "BuildSteps", "StatusItems"] {
            assert!(written.contains(&format!("    export interface {interface} {{\n")), "{interface}");
        }
        assert!(written.contains("    export function write(level: Level, text: string): void;\n"));
        assert!(!written.contains("unknown"), "{written}");
    }

    #[test]
    fn what_is_no_contract_is_told() {
        let CliError::Build(told) = typings(&[("a.wit", "package a:b; interface c { d: func() -> e; }")]).unwrap_err()
        else {
            panic!("another error");
        };
        assert!(told.contains("a.wit"), "{told}");
    }
}
