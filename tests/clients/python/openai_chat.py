"""The `openai` library at the chat door."""

import json

import openai

from scenes import FORM, MAX_TOKENS, SAY, SENTENCE, TOOL, WORDS, breaks_off, has_all, is_form, is_usage, outputs, run, thrown

TOOLS = [{"type": "function", "function": TOOL}]


def client(place, key=None):
    return openai.OpenAI(base_url=place.openai, api_key=key or place.key, max_retries=0)


def said(text):
    return [{"role": "user", "content": text}]


def ask(place, messages, **more):
    more.setdefault("model", place.model)
    return client(place).chat.completions.create(messages=messages, max_tokens=MAX_TOKENS, **more)


def pieces(stream):
    return (chunk.choices[0].delta.content for chunk in stream if chunk.choices and chunk.choices[0].delta.content)


def whole(place):
    answer = ask(place, said(SAY["sentence"]))
    assert answer.choices[0].message.content == SENTENCE
    assert answer.choices[0].finish_reason == "stop"
    is_usage(answer.usage.prompt_tokens, answer.usage.completion_tokens)


def stream(place):
    with client(place).chat.completions.stream(
        model=place.model, messages=said(SAY["sentence"]), stream_options={"include_usage": True}
    ) as events:
        deltas = [event.delta for event in events if event.type == "content.delta"]
        answer = events.get_final_completion()
    assert "".join(deltas) == SENTENCE and len(deltas) > 5, deltas
    is_usage(answer.usage.prompt_tokens, answer.usage.completion_tokens)


def tools(place):
    messages = said(SAY["weather"])
    with client(place).chat.completions.stream(model=place.model, messages=messages, tools=TOOLS) as events:
        events.until_done()
        choice = events.get_final_completion().choices[0]
    assert choice.finish_reason == "tool_calls"
    calls = choice.message.tool_calls
    results = outputs([(call.function.name, json.loads(call.function.arguments)) for call in calls])
    history = [{"role": "tool", "tool_call_id": call.id, "content": text} for call, text in zip(calls, results)]
    # The library's own object goes back as it is.
    answer = ask(place, [*messages, choice.message, *history], tools=TOOLS)
    has_all(answer.choices[0].message.content, results)


def error(place):
    limited = thrown(lambda: ask(place, said(SAY["limited"]), model=place.failing["limited"]), openai.RateLimitError)
    assert 0 < int(limited.response.headers["retry-after"]) <= WORDS["retry_after"]
    thrown(lambda: ask(place, said(SAY["refused"]), model=place.failing["refused"], stream=True), openai.BadRequestError)
    thrown(lambda: ask(place, said(SAY["sentence"]), model=place.noModel), openai.NotFoundError)
    thrown(lambda: ask(place, said(SAY["overloaded"]), model=place.failing["overloaded"]), openai.InternalServerError)


def key(place):
    thrown(lambda: client(place, "wrong").chat.completions.create(model=place.model, messages=said("x")), openai.AuthenticationError)


def cut(place):
    breaks_off(pieces(ask(place, said(SAY["cut"]), stream=True)), Exception)


def cancel(place):
    with ask(place, said(SAY["slow"]), stream=True) as chunks:
        assert next(pieces(chunks))


def form(place):
    wish = {"type": "json_schema", "json_schema": {"name": "report", "schema": FORM, "strict": True}}
    is_form(ask(place, said(SAY["json"]), response_format=wish).choices[0].message.content)


if __name__ == "__main__":
    run({"whole": whole, "stream": stream, "tools": tools, "error": error, "key": key, "cut": cut, "cancel": cancel, "form": form})
