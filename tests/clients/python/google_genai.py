"""The `google-genai` library at the Gemini door."""

from google import genai
from google.genai import errors, types

from scenes import FORM, MAX_TOKENS, SAY, SENTENCE, TOOL, WORDS, breaks_off, has_all, is_form, is_usage, outputs, run, thrown

DECLARED = types.FunctionDeclaration(name=TOOL["name"], description=TOOL["description"], parameters_json_schema=TOOL["parameters"])
TOOLS = [types.Tool(function_declarations=[DECLARED])]


def client(place, key=None):
    return genai.Client(api_key=key or place.key, http_options=types.HttpOptions(base_url=place.gemini))


def wishes(**more):
    return types.GenerateContentConfig(max_output_tokens=MAX_TOKENS, **more)


def ask(place, contents, model=None, **more):
    # Held until the answer is there: a client that nobody holds closes its connections.
    asker = client(place)
    return asker.models.generate_content(model=model or place.model, contents=contents, config=wishes(**more))


def flow(asker, place, contents, model=None, **more):
    return asker.models.generate_content_stream(model=model or place.model, contents=contents, config=wishes(**more))


def whole(place):
    answer = ask(place, SAY["sentence"])
    assert answer.text == SENTENCE and answer.candidates[0].finish_reason == types.FinishReason.STOP
    is_usage(answer.usage_metadata.prompt_token_count, answer.usage_metadata.candidates_token_count)


def stream(place):
    asker = client(place)
    chunks = list(flow(asker, place, SAY["sentence"]))
    texts = [chunk.text for chunk in chunks if chunk.text]
    assert "".join(texts) == SENTENCE and len(texts) > 5, texts
    counts = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata][-1]
    is_usage(counts.prompt_token_count, counts.candidates_token_count)


def tools(place):
    asker = client(place)
    mine = types.Content(role="user", parts=[types.Part(text=SAY["weather"])])
    parts = [part for chunk in flow(asker, place, [mine], tools=TOOLS) for part in chunk.candidates[0].content.parts or []]
    calls = [part.function_call for part in parts if part.function_call]
    results = outputs([(call.name, call.args) for call in calls])
    told = [
        types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response={"output": text}))
        for call, text in zip(calls, results)
    ]
    history = [types.Content(role="model", parts=parts), types.Content(role="user", parts=told)]
    has_all(ask(place, [mine, *history], tools=TOOLS).text, results)


def think(place):
    answer = ask(place, SAY["thought"], thinking_config=types.ThinkingConfig(include_thoughts=True))
    parts = answer.candidates[0].content.parts
    assert "".join(part.text for part in parts if part.thought) == WORDS["thought"], parts
    assert answer.text == SENTENCE


def error(place):
    assert thrown(lambda: ask(place, SAY["limited"], model=place.failing["limited"]), errors.ClientError).code == 429
    asker = client(place)
    assert thrown(lambda: list(flow(asker, place, SAY["refused"], model=place.failing["refused"])), errors.ClientError).code == 400
    assert thrown(lambda: ask(place, SAY["sentence"], model=place.noModel), errors.ClientError).code == 404
    assert thrown(lambda: ask(place, SAY["overloaded"], model=place.failing["overloaded"]), errors.ServerError).code >= 500


def key(place):
    wrong = client(place, "wrong")
    assert thrown(lambda: wrong.models.generate_content(model=place.model, contents="x"), errors.ClientError).code == 401


def cut(place):
    asker = client(place)
    breaks_off((chunk.text for chunk in flow(asker, place, SAY["cut"]) if chunk.text), Exception)


def cancel(place):
    asker = client(place)
    chunks = flow(asker, place, SAY["slow"])
    assert next(chunks).text
    chunks.close()
    asker.close()


def form(place):
    is_form(ask(place, SAY["json"], response_mime_type="application/json", response_json_schema=FORM).text)


def models(place):
    asker = client(place)
    names = [model.name.removeprefix("models/") for model in asker.models.list()]
    assert place.model in names, names


def count(place):
    asker = client(place)
    assert asker.models.count_tokens(model=place.model, contents=SAY["sentence"]).total_tokens > 0


if __name__ == "__main__":
    run({
        "whole": whole, "stream": stream, "tools": tools, "think": think, "error": error, "key": key, "cut": cut, "cancel": cancel,
        "form": form, "models": models, "count": count,
    })
