use serde_json::json;

use super::*;

fn texts(texts: &[&str]) -> Vec<Input> {
    texts.iter().map(|text| Input::Text((*text).to_owned())).collect()
}

#[test]
fn inputs_of_all_kinds() {
    for (input, expected) in [
        (json!("a"), texts(&["a"])),
        (json!(["a", "b"]), texts(&["a", "b"])),
        (json!([1, 2]), vec![Input::Tokens(vec![1, 2])]),
        (json!([[1], [2, 3]]), vec![Input::Tokens(vec![1]), Input::Tokens(vec![2, 3])]),
    ] {
        let asked = Form::OpenAi.read(&json!({ "model": "m", "input": input })).unwrap();
        assert_eq!(asked.inputs, expected);
        let again = Form::OpenAi.write(&asked, "other").unwrap();
        assert_eq!(again["model"], "other");
        assert_eq!(Form::OpenAi.read(&again).unwrap().inputs, expected);
    }
    for strange in [json!(null), json!([]), json!(7), json!([1, "a"]), json!([-1]), json!([{}])] {
        let refused = Form::OpenAi.read(&json!({ "model": "m", "input": strange })).unwrap_err();
        assert_eq!(refused.param.as_deref(), Some("input"));
    }
    let refused = Form::OpenAi.read(&json!({ "input": "a", "encoding_format": "hex" })).unwrap_err();
    assert_eq!(refused.param.as_deref(), Some("encoding_format"));
}

#[test]
fn openai_clients_of_gemini() {
    let body = json!({ "model": "m", "input": ["a", "b"], "dimensions": 2, "encoding_format": "base64" });
    let asked = Form::OpenAi.read(&body).unwrap();
    let form = form(Dialect::Gemini).unwrap();
    let request = |text: &str| {
        let content = json!({ "parts": [{ "text": text }] });
        json!({ "model": "models/g", "content": content, "outputDimensionality": 2 })
    };
    assert_eq!(form.write(&asked, "g").unwrap(), json!({ "requests": [request("a"), request("b")] }));
    let answer = json!({ "embeddings": [{ "values": [0.5, -1.25] }, { "values": [1, 0] }] });
    let embedded = form.read_answer(&answer, &asked).unwrap();
    assert_eq!(embedded, Embedded { vectors: vec![vec![0.5, -1.25], vec![1.0, 0.0]], tokens: None });
    let written = Form::OpenAi.write_answer(&embedded, &asked);
    assert_eq!(written["data"][0], json!({ "object": "embedding", "index": 0, "embedding": "AAAAPwAAoL8=" }));
    assert_eq!(written["usage"], json!({ "prompt_tokens": 2, "total_tokens": 2 }));
    assert_eq!(Form::OpenAi.read_answer(&written, &asked).unwrap().vectors, embedded.vectors);
    let plain = Form::OpenAi.write_answer(&embedded, &Asked { base64: false, ..asked });
    assert_eq!(plain["data"][1]["embedding"], json!([1.0, 0.0]));
}

#[test]
fn gemini_clients_of_openai() {
    let one = json!({
        "model": "models/g",
        "content": { "parts": [{ "text": "a" }, { "text": "b" }] },
        "taskType": "RETRIEVAL_DOCUMENT",
        "title": "t",
        "outputDimensionality": 3,
    });
    let asked = Form::GeminiOne.read(&one).unwrap();
    let written = Form::OpenAi.write(&asked, "m").unwrap();
    assert_eq!(written, json!({ "model": "m", "input": "a\nb", "dimensions": 3, "encoding_format": "float" }));
    let answer = json!({
        "data": [{ "index": 0, "embedding": [1, 2, 3] }],
        "usage": { "prompt_tokens": 5, "total_tokens": 5 },
    });
    let embedded = Form::OpenAi.read_answer(&answer, &asked).unwrap();
    let expected = json!({ "embedding": { "values": [1.0, 2.0, 3.0] }, "usageMetadata": { "promptTokenCount": 5 } });
    assert_eq!(Form::GeminiOne.write_answer(&embedded, &asked), expected);
    assert_eq!(Form::GeminiOne.read_answer(&expected, &asked).unwrap(), embedded);

    let many = json!({ "requests": [one, one] });
    let asked = Form::GeminiMany.read(&many).unwrap();
    assert_eq!((asked.inputs.len(), asked.model.as_str()), (2, "g"));
    assert_eq!(Form::GeminiMany.read(&Form::GeminiMany.write(&asked, "g").unwrap()).unwrap(), asked);
    let mut other = one.clone();
    other["taskType"] = json!("RETRIEVAL_QUERY");
    assert_eq!(Form::GeminiMany.read(&json!({ "requests": [one, other] })).unwrap().inputs.len(), 2);
    other["outputDimensionality"] = json!(4);
    for strange in [json!({}), json!({ "requests": [one, other] }), json!({ "requests": [{ "content": {} }] })] {
        assert!(Form::GeminiMany.read(&strange).is_err(), "{strange}");
    }
}

#[test]
fn vectors_come_in_the_order_of_the_inputs() {
    let asked = Form::OpenAi.read(&json!({ "input": ["a", "b"] })).unwrap();
    let answer = json!({ "data": [{ "index": 1, "embedding": [1] }, { "index": 0, "embedding": [0] }] });
    assert_eq!(Form::OpenAi.read_answer(&answer, &asked).unwrap().vectors, [[0.0], [1.0]]);
    for strange in [
        json!({ "data": [{ "embedding": [1] }] }),
        json!({ "data": [{ "embedding": ["x"] }, { "embedding": [1] }] }),
        json!({ "data": [{ "embedding": "AAA=" }, { "embedding": "!" }] }),
        json!({ "error": {} }),
        json!("x"),
    ] {
        assert!(Form::OpenAi.read_answer(&strange, &asked).is_err(), "{strange}");
        assert!(Form::GeminiMany.read_answer(&strange, &asked).is_err(), "{strange}");
    }
}

#[test]
fn answers_that_are_passed_on_tell_their_tokens() {
    let gemini =
        json!({ "embeddings": [{ "statistics": { "tokenCount": 2 } }, { "statistics": { "tokenCount": 3 } }] });
    for (form, answer, tokens) in [
        (Form::OpenAi, json!({ "data": [{ "embedding": "?" }], "usage": { "prompt_tokens": 7 } }), Some(7)),
        (Form::OpenAi, json!({ "data": [{}] }), None),
        (Form::GeminiOne, json!({ "embedding": { "new": 1 }, "usageMetadata": { "promptTokenCount": 4 } }), Some(4)),
        (Form::GeminiMany, gemini, Some(5)),
        (Form::GeminiMany, json!({ "embeddings": [{ "values": [1] }] }), None),
    ] {
        assert_eq!(form.tokens(&answer).unwrap(), tokens, "{answer}");
        for strange in [json!({ "error": {} }), json!({ "data": [], "embeddings": [] }), json!("x")] {
            assert!(form.tokens(&strange).is_err(), "{strange}");
        }
    }
}

#[test]
fn what_cannot_be() {
    assert_eq!(form(Dialect::Anthropic).unwrap_err().param.as_deref(), Some("model"));
    assert_eq!(form(Dialect::Responses).unwrap(), form(Dialect::Chat).unwrap());
    let tokens = Form::OpenAi.read(&json!({ "input": [1, 2] })).unwrap();
    assert_eq!(Form::GeminiMany.write(&tokens, "g").unwrap_err().param.as_deref(), Some("input"));
    assert_eq!(tokens.estimate(), 2);
    let many = Form::OpenAi.read(&json!({ "input": ["a", "b"] })).unwrap();
    assert!(Form::GeminiOne.write(&many, "g").is_err());
    assert_eq!(Asked { inputs: texts(&["four", "fives"]), ..Asked::default() }.estimate(), 3);
}
