//! `:embedContent` and `:batchEmbedContents`.

use serde_json::{Map, Value, json};

use super::{Asked, Embedded, Input, numbers};
use crate::json::{given, list, text, whole};
use crate::turn::Failure;

pub(super) fn read_one(body: &Value) -> Result<Asked, Failure> {
    let content = body.get("content").unwrap_or(&Value::Null);
    let mut texts = Vec::new();
    for part in list(content, "parts") {
        let Some(text) = text(part, "text") else {
            return Err(Failure::refused("content.parts", "The model's server makes embeddings of text only."));
        };
        texts.push(text);
    }
    if texts.is_empty() && content.is_string() {
        texts.extend(content.as_str());
    }
    if texts.is_empty() {
        return Err(Failure::refused("content", "The request has no text."));
    }
    Ok(Asked {
        model: model(body),
        inputs: vec![Input::Text(texts.join("\n"))],
        dimensions: whole(body, "outputDimensionality").or_else(|| whole(body, "output_dimensionality")),
        base64: false,
    })
}

fn model(body: &Value) -> String {
    let model = text(body, "model").unwrap_or_default();
    model.strip_prefix("models/").unwrap_or(model).to_owned()
}

/// All of one batch have the same size, for other forms tell it once.
pub(super) fn read_many(body: &Value) -> Result<Asked, Failure> {
    let mut asked: Option<Asked> = None;
    for request in list(body, "requests") {
        let one = read_one(request)?;
        match &mut asked {
            None => asked = Some(one),
            Some(all) if all.dimensions == one.dimensions => all.inputs.extend(one.inputs),
            Some(_) => {
                let message = "All requests of a batch need the same outputDimensionality for this model.";
                return Err(Failure::refused("requests", message));
            }
        }
    }
    asked.ok_or_else(|| Failure::refused("requests", "The batch has no requests."))
}

pub(super) fn write_one(asked: &Asked, model: &str) -> Result<Value, Failure> {
    match &asked.inputs[..] {
        [only] => request(only, asked, model),
        _ => Err(Failure::refused("input", "The model's server takes one text at a time.")),
    }
}

pub(super) fn write_many(asked: &Asked, model: &str) -> Result<Value, Failure> {
    let requests: Result<Vec<Value>, Failure> = asked.inputs.iter().map(|input| request(input, asked, model)).collect();
    Ok(json!({ "requests": requests? }))
}

fn request(input: &Input, asked: &Asked, model: &str) -> Result<Value, Failure> {
    let Input::Text(text) = input else {
        return Err(Failure::refused("input", "The model's server takes text only, no tokens: send the text itself."));
    };
    let mut request = Map::from_iter([
        ("model".to_owned(), format!("models/{model}").into()),
        ("content".to_owned(), json!({ "parts": [{ "text": text }] })),
    ]);
    request.extend(asked.dimensions.map(|dimensions| ("outputDimensionality".to_owned(), dimensions.into())));
    Ok(Value::Object(request))
}

pub(super) fn read_answer(answer: &Value) -> Option<Embedded> {
    let vectors = embeddings(answer).map(|one| numbers(one.get("values")?)).collect::<Option<_>>()?;
    Some(Embedded { vectors, tokens: tokens(answer) })
}

pub(super) fn has_vectors(answer: &Value) -> bool {
    embeddings(answer).next().is_some()
}

pub(super) fn tokens(answer: &Value) -> Option<u64> {
    let told = answer.get("usageMetadata").and_then(|usage| whole(usage, "promptTokenCount"));
    let of = |one: &Value| whole(one.get("statistics")?, "tokenCount");
    let each = || embeddings(answer).try_fold(0_u64, |sum, one| Some(sum.saturating_add(of(one)?)));
    told.or_else(|| each().filter(|tokens| *tokens > 0))
}

fn embeddings(answer: &Value) -> impl Iterator<Item = &Value> {
    given(answer, "embedding").into_iter().chain(list(answer, "embeddings"))
}

pub(super) fn write_one_answer(embedded: &Embedded) -> Value {
    let mut answer = json!({ "embedding": embedded.vectors.first().map(|vector| json!({ "values": vector })) });
    with_tokens(&mut answer, embedded);
    answer
}

pub(super) fn write_many_answer(embedded: &Embedded) -> Value {
    let all: Vec<Value> = embedded.vectors.iter().map(|vector| json!({ "values": vector })).collect();
    let mut answer = json!({ "embeddings": all });
    with_tokens(&mut answer, embedded);
    answer
}

fn with_tokens(answer: &mut Value, embedded: &Embedded) {
    if let Some(tokens) = embedded.tokens {
        answer["usageMetadata"] = json!({ "promptTokenCount": tokens });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_text_and_other_spellings() {
        let asked = read_one(&json!({ "content": "x", "output_dimensionality": 8 })).unwrap();
        assert_eq!(asked.dimensions, Some(8));
        assert_eq!(asked.inputs, [Input::Text("x".to_owned())]);
    }
}
