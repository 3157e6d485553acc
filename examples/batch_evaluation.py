"""A batch of questions with known answers: run them all, review them all at the end, and run them again.

    pip install 'reflect-otel[openai]'
    reflect-otel serve &
    OPENAI_API_KEY=sk-... python examples/batch_evaluation.py

The reviews come from comparing with the known answers, after the whole batch has run. The second round is served what
the first one taught; the last line says what that was worth.
"""

from openai import OpenAI

from reflect_otel import ReflectClient, ReviewSource

MODEL = "gpt-5.4-mini"
GOLD = {
    "How many days may a customer take to return a jacket?": "30",
    "How many days may a customer take to return a mattress?": "100",
    "Which carrier collects returned furniture?": "Freightways",
}

client = ReflectClient(augment_timeout=10)  # a batch can wait for its memories; a user would not
openai = OpenAI()


def run_batch(name: str) -> list[str]:
    """Answer every question; ids of the runs, not reviewed yet."""
    trace_ids = []
    for question in GOLD:
        with client.trace(question, agent="returns-desk") as ctx:
            messages = [
                {"role": "system", "content": "Answer with one word or number."},
                {"role": "user", "content": ctx.augmented_task},
            ]
            response = openai.chat.completions.create(model=MODEL, messages=messages)
            answer = response.choices[0].message.content or ""
            ctx.set_output(
                trajectory=[*messages, {"role": "assistant", "content": answer}],
                model=MODEL,
                metadata={"batch": name},
            )
        trace_ids.append(ctx.trace_id)
    return trace_ids


def review_batch(trace_ids: list[str]) -> int:
    """Compare with the known answers; how many were right."""
    passed = 0
    for trace_id in trace_ids:
        trace = client.wait_for_trace(trace_id)
        gold = GOLD[trace.task]
        is_right = gold.lower() in (trace.final_response or "").lower()
        passed += is_right
        client.review_trace(
            trace_id,
            result="pass" if is_right else "fail",
            feedback_text=None if is_right else f"The answer to {trace.task!r} is {gold}.",
            source=ReviewSource.CODE,
            name="exact-answer",
        )
    return passed


if __name__ == "__main__":
    first = review_batch(run_batch("first"))
    second = review_batch(run_batch("second"))
    print(f"{first} of {len(GOLD)} right without memories, {second} of {len(GOLD)} with them")
