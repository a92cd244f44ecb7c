"""The `openai` library at the door for Responses, and what this library lists and embeds."""

import json

import openai

from openai_chat import client, said
from scenes import FORM, SAY, SENTENCE, TOOL, WORDS, breaks_off, has_all, is_form, is_usage, outputs, run, thrown

TOOLS = [{"type": "function", "strict": True, **TOOL}]


def ask(place, given, **more):
    more.setdefault("model", place.model)
    return client(place).responses.create(input=given, store=False, **more)


def pieces(events):
    return (event.delta for event in events if event.type == "response.output_text.delta")


def whole(place):
    answer = ask(place, SAY["sentence"])
    assert answer.status == "completed" and answer.output_text == SENTENCE
    is_usage(answer.usage.input_tokens, answer.usage.output_tokens)


def stream(place):
    with client(place).responses.stream(model=place.model, input=SAY["sentence"], store=False) as events:
        deltas = list(pieces(events))
        answer = events.get_final_response()
    assert "".join(deltas) == SENTENCE == answer.output_text and len(deltas) > 5, deltas
    is_usage(answer.usage.input_tokens, answer.usage.output_tokens)


def tools(place):
    given = said(SAY["weather"])
    with client(place).responses.stream(model=place.model, input=given, tools=TOOLS, store=False) as events:
        events.until_done()
        answer = events.get_final_response()
    calls = [item for item in answer.output if item.type == "function_call"]
    results = outputs([(call.name, json.loads(call.arguments)) for call in calls])
    history = [{"type": "function_call_output", "call_id": call.call_id, "output": text} for call, text in zip(calls, results)]
    has_all(ask(place, [*given, *answer.output, *history], tools=TOOLS).output_text, results)


def think(place):
    answer = ask(place, SAY["thought"], reasoning={"effort": "low", "summary": "auto"})
    thoughts = [part.text for item in answer.output if item.type == "reasoning" for part in [*item.summary, *(item.content or [])]]
    assert "".join(thoughts) == WORDS["thought"], thoughts


def error(place):
    thrown(lambda: ask(place, SAY["limited"], model=place.failing["limited"]), openai.RateLimitError)
    thrown(lambda: ask(place, SAY["refused"], model=place.failing["refused"], stream=True), openai.BadRequestError)
    thrown(lambda: ask(place, SAY["sentence"], model=place.noModel), openai.NotFoundError)


def cut(place):
    """What came must not look whole: it ends with an error, or without `response.completed`."""
    last = []

    def read():
        for event in ask(place, SAY["cut"], stream=True):
            last.append(event.type)
            if event.type == "response.output_text.delta":
                yield event.delta
        if last[-1] in ("response.failed", "error"):
            raise ConnectionError(last[-1])

    breaks_off(read(), Exception)
    assert "response.completed" not in last


def cancel(place):
    with ask(place, SAY["slow"], stream=True) as events:
        assert next(pieces(events))


def form(place):
    is_form(ask(place, SAY["json"], text={"format": {"type": "json_schema", "name": "report", "schema": FORM, "strict": True}}).output_text)


def models(place):
    assert place.model in [model.id for model in client(place).models.list()]


def embed(place):
    """The library asks for base64 and decodes it by itself."""
    rows = client(place).embeddings.create(model=place.model, input=["one", "two"]).data
    assert [row.embedding for row in rows] == [WORDS["vector"]] * 2, rows


SCENES = {"whole": whole, "stream": stream, "tools": tools, "think": think, "error": error, "cut": cut, "cancel": cancel, "form": form, "models": models}

if __name__ == "__main__":
    run(SCENES)
