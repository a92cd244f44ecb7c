//! `POST /v1/embeddings`.

use serde_json::{Map, Value, json};

use super::{Asked, Embedded, Input, from_base64, numbers, to_base64};
use crate::json::{list, owned, text, whole};
use crate::turn::Failure;

pub(super) fn read(body: &Value) -> Result<Asked, Failure> {
    let input = body.get("input").unwrap_or(&Value::Null);
    let inputs = match input {
        Value::String(text) => Some(vec![Input::Text(text.clone())]),
        Value::Array(items) if items.first().is_some_and(Value::is_number) => {
            token_ids(input).map(|tokens| vec![tokens])
        }
        Value::Array(items) => items.iter().map(one).collect(),
        _ => None,
    };
    let message = "The input has to be a text, a list of texts, a list of tokens or a list of such lists.";
    let inputs = inputs.filter(|inputs| !inputs.is_empty()).ok_or_else(|| Failure::refused("input", message))?;
    let base64 = match text(body, "encoding_format") {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return Err(Failure::refused("encoding_format", "There are “float” and “base64”.")),
    };
    let (model, dimensions) = (owned(body, "model"), whole(body, "dimensions"));
    Ok(Asked { model, inputs, dimensions, base64 })
}

fn one(input: &Value) -> Option<Input> {
    input.as_str().map(|text| Input::Text(text.to_owned())).or_else(|| token_ids(input))
}

fn token_ids(input: &Value) -> Option<Input> {
    input.as_array()?.iter().map(Value::as_u64).collect::<Option<_>>().map(Input::Tokens)
}

pub(super) fn write(asked: &Asked, model: &str) -> Value {
    let inputs: Vec<Value> = asked.inputs.iter().map(written).collect();
    // Where there is one text, every server understands it by itself.
    let input = if let [Input::Text(only)] = &asked.inputs[..] { only.as_str().into() } else { Value::Array(inputs) };
    let mut body = Map::from_iter([("model".to_owned(), model.into()), ("input".to_owned(), input)]);
    if let Some(dimensions) = asked.dimensions {
        body.insert("dimensions".to_owned(), dimensions.into());
    }
    // Not all servers know base64; whoever asked for it gets it anyway.
    body.insert("encoding_format".to_owned(), "float".into());
    Value::Object(body)
}

fn written(input: &Input) -> Value {
    match input {
        Input::Text(text) => text.as_str().into(),
        Input::Tokens(tokens) => json!(tokens),
    }
}

pub(super) fn read_answer(answer: &Value) -> Option<Embedded> {
    let mut vectors = Vec::new();
    for (place, item) in (0..).zip(list(answer, "data")) {
        let vector = match item.get("embedding")? {
            Value::String(text) => from_base64(text),
            list => numbers(list),
        };
        vectors.push((whole(item, "index").unwrap_or(place), vector?));
    }
    vectors.sort_by_key(|(index, _)| *index);
    let vectors = vectors.into_iter().map(|(_, vector)| vector).collect();
    Some(Embedded { vectors, tokens: tokens(answer) })
}

pub(super) fn has_vectors(answer: &Value) -> bool {
    list(answer, "data").next().is_some()
}

pub(super) fn tokens(answer: &Value) -> Option<u64> {
    let usage = answer.get("usage")?;
    whole(usage, "prompt_tokens").or_else(|| whole(usage, "total_tokens"))
}

pub(super) fn write_answer(embedded: &Embedded, asked: &Asked) -> Value {
    let data = embedded.vectors.iter().enumerate().map(|(index, vector)| {
        let embedding = if asked.base64 { to_base64(vector).into() } else { json!(vector) };
        json!({ "object": "embedding", "index": index, "embedding": embedding })
    });
    let data: Vec<Value> = data.collect();
    // The field has to be there.
    let tokens = embedded.tokens.unwrap_or_else(|| asked.estimate());
    json!({
        "object": "list",
        "data": data,
        "model": asked.model,
        "usage": { "prompt_tokens": tokens, "total_tokens": tokens },
    })
}
