"""An agent of the OpenAI Agents SDK with a tool, recorded by the decorator.

    pip install 'reflect-otel[openai]' openai-agents
    reflect-otel serve &
    OPENAI_API_KEY=sk-... python examples/openai_agents.py

The agent's own code is unchanged but for two lines: the decorator, and the task it is given. What it said and which
tools it called comes from the result's message list.
"""

import asyncio

from agents import Agent, Runner, function_tool, set_default_openai_api, set_tracing_disabled

from reflect_otel import AsyncReflectClient, TraceContext, TraceResult, reflect_trace

MODEL = "gpt-5.4-mini"
ORDERS = {"A-1": "paid by voucher, delivered"}

client = AsyncReflectClient()
set_default_openai_api("chat_completions")
set_tracing_disabled(True)


@function_tool
def find_order(order_id: str) -> str:
    """Look an order up."""
    return ORDERS.get(order_id, "no such order")


desk = Agent(name="returns-desk", model=MODEL, instructions="Answer in one sentence.", tools=[find_order])


def read_messages(task: str, result) -> list[dict]:
    """The run's items as chat messages."""
    messages: list[dict] = [{"role": "user", "content": task}]
    for item in result.new_items:
        raw = item.to_input_item()
        if item.type == "tool_call_item":
            call = {"id": raw["call_id"], "type": "function"}
            call["function"] = {"name": raw["name"], "arguments": raw["arguments"]}
            messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        elif item.type == "tool_call_output_item":
            messages.append({"role": "tool", "tool_call_id": raw["call_id"], "content": raw["output"]})
        elif item.type == "message_output_item":
            text = "".join(part.get("text", "") for part in raw["content"])
            messages.append({"role": "assistant", "content": text})
    return messages


@reflect_trace(client, agent="returns-desk", blocking=True)
async def answer(ctx: TraceContext, question: str) -> TraceResult[str]:
    result = await Runner.run(desk, ctx.augmented_task)
    text = str(result.final_output)
    is_right = "voucher" in text
    return TraceResult(
        output=text,
        trajectory=read_messages(ctx.augmented_task, result),
        result="pass" if is_right else "fail",
        feedback_text=None if is_right else "Say how the order was paid: a voucher cannot be refunded to a card.",
        model=MODEL,
    )


async def main() -> None:
    async with client:
        for _ in range(2):
            print(await answer("How will order A-1 be refunded?"))
        for memory in await client.list_memories():
            print(f"[{memory.kind}] {memory.reflection}")


if __name__ == "__main__":
    asyncio.run(main())
