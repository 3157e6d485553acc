"""The three ways to record a run, one after the other, on the same task.

    pip install 'reflect-otel[openai]'
    reflect-otel serve &
    OPENAI_API_KEY=sk-... python examples/three_patterns.py

Each of them asks for memories, lets the model answer, and records the run with a review; the second and third are
served what the first one taught. A service elsewhere: REFLECT_ENDPOINT, REFLECT_API_KEY, REFLECT_PROJECT_ID.
"""

from openai import OpenAI

from reflect_otel import ReflectClient, TraceContext, TraceResult, reflect_trace

MODEL = "gpt-5.4-mini"
TASK = "Write a SQL query that lists the customers without an order"

client = ReflectClient()
openai = OpenAI()


def ask(prompt: str) -> str:
    response = openai.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": prompt}])
    return response.choices[0].message.content or ""


def judge(answer: str) -> tuple[str, str | None]:
    """Stands for a test, a person, or an evaluator."""
    if "LEFT JOIN" in answer.upper() or "NOT EXISTS" in answer.upper():
        return "pass", None
    return "fail", "An inner join can never show customers without an order; use NOT EXISTS."


def conversation(prompt: str, answer: str) -> list[dict]:
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]


def context_manager() -> None:
    """Pattern 1. ``blocking`` only because the next pattern is to be served what this one teaches."""
    with client.trace(TASK, blocking=True) as ctx:
        answer = ask(ctx.augmented_task)
        result, feedback = judge(answer)
        ctx.set_output(
            trajectory=conversation(ctx.augmented_task, answer), result=result, feedback_text=feedback, model=MODEL
        )
    report("context manager", ctx.trace_id, len(ctx.memories), result)


@reflect_trace(client, task=lambda question: question, blocking=True)
def answer_question(ctx: TraceContext, question: str) -> TraceResult[tuple[str, int]]:
    """Pattern 2: a function is a run."""
    answer = ask(ctx.augmented_task)
    result, feedback = judge(answer)
    return TraceResult(
        output=(result, len(ctx.memories)),
        trajectory=conversation(ctx.augmented_task, answer),
        result=result,
        feedback_text=feedback,
        model=MODEL,
    )


def explicit_calls() -> None:
    """Pattern 3: every step by itself, for code that cannot be wrapped."""
    augmented = client.augment_with_memories(TASK)
    answer = ask(augmented.augmented_task)
    result, feedback = judge(answer)
    trace = client.create_trace_and_wait(
        task=TASK,
        trajectory=conversation(augmented.augmented_task, answer),
        retrieved_memory_ids=[memory.id for memory in augmented.memories],
        model=MODEL,
        review_result=result,
        feedback_text=feedback,
    )
    report("explicit calls", trace.id, len(augmented.memories), result)


def report(pattern: str, trace_id: str | None, memories: int, result: str) -> None:
    print(f"{pattern}: {result}, with {memories} memories, trace {trace_id}")


if __name__ == "__main__":
    context_manager()
    result, memories = answer_question(TASK)
    report("decorator", client.list_traces()[0].id, memories, result)
    explicit_calls()
    for memory in client.list_memories():
        print(f"[{memory.kind}, utility {memory.utility:.2f}, {memory.uses} uses] {memory.reflection}")
