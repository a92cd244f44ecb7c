//! JavaScript functions that want to hear of something. No borrow is held while one runs: it may add and remove listeners.

use std::cell::{Cell, RefCell};

use js_sys::{Function, Promise};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// Functions in the order they came.
#[derive(Default)]
pub(crate) struct Listeners {
    functions: RefCell<Vec<(u32, Function)>>,
    last_id: Cell<u32>,
}

impl Listeners {
    /// Adds one; the number removes it.
    pub(crate) fn add(&self, function: Function) -> u32 {
        let id = self.last_id.get().wrapping_add(1);
        self.last_id.set(id);
        self.functions.borrow_mut().push((id, function));
        id
    }

    /// Removes one.
    pub(crate) fn remove(&self, id: u32) {
        self.functions.borrow_mut().retain(|(kept, _)| *kept != id);
    }

    /// Whether nobody listens.
    pub(crate) fn is_empty(&self) -> bool {
        self.functions.borrow().is_empty()
    }

    /// Calls each.
    pub(crate) fn tell(&self, value: &JsValue) {
        let functions: Vec<Function> = self.functions.borrow().iter().map(|(_, function)| function.clone()).collect();
        for function in functions {
            report(function.call1(&JsValue::UNDEFINED, value));
        }
    }
}

/// A listener that throws is its author's business; the shell goes on and says so on the console.
pub(crate) fn report(outcome: Result<JsValue, JsValue>) {
    if let Err(thrown) = outcome {
        web_sys::console::error_2(&"A listener of the Coditect shell failed:".into(), &thrown);
    }
}

/// As [`report`], for a listener that may answer with a promise: waits until that is settled.
pub(crate) async fn report_settled(outcome: Result<JsValue, JsValue>) {
    let settled = match outcome.map(JsCast::dyn_into::<Promise>) {
        Ok(Ok(promise)) => JsFuture::from(promise).await,
        Ok(Err(value)) => Ok(value),
        Err(thrown) => Err(thrown),
    };
    report(settled);
}
