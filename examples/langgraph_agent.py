"""A LangGraph graph with two nodes, recorded by the context manager and by OpenTelemetry at once.

    pip install 'reflect-otel[openai]' langgraph
    reflect-otel serve &
    OPENAI_API_KEY=sk-... python examples/langgraph_agent.py

``configure()`` sends spans to the service and the openai instrumentation makes one for each model call. So the block
below only says how the run went: what was said in it, how many tokens it took and which model it was comes from the
spans. Any instrumentation will do, and the spans reach your other exporters as well.
"""

from typing import TypedDict

from langgraph.graph import END, START, StateGraph
from openai import OpenAI
from opentelemetry.instrumentation.openai import OpenAIInstrumentor

import reflect_otel

MODEL = "gpt-5.4-mini"
TASK = "Explain in one sentence what a memory with a utility of 0.9 tells an agent"

reflect_otel.configure(service_name="explainer")
OpenAIInstrumentor().instrument()
client = reflect_otel.ReflectClient()
openai = OpenAI()


class State(TypedDict, total=False):
    task: str
    draft: str
    answer: str


def ask(prompt: str) -> str:
    response = openai.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": prompt}])
    return response.choices[0].message.content or ""


def write(state: State) -> State:
    return {"draft": ask(state["task"])}


def shorten(state: State) -> State:
    return {"answer": ask(f"Shorten this to one sentence: {state['draft']}")}


def build_graph():
    graph = StateGraph(State)
    graph.add_node("write", write)
    graph.add_node("shorten", shorten)
    graph.add_edge(START, "write")
    graph.add_edge("write", "shorten")
    graph.add_edge("shorten", END)
    return graph.compile()


if __name__ == "__main__":
    with client.trace(TASK, agent="explainer", blocking=True) as ctx:
        answer = build_graph().invoke({"task": ctx.augmented_task})["answer"]
        if answer.count(".") > 1:
            reflect_otel.review("fail", "One sentence was asked for.")
        else:
            reflect_otel.review("pass")
    print(answer)
    trace = client.get_trace(ctx.trace_id)
    print(f"{trace.review.result}: {trace.llm_calls} model calls, {trace.input_tokens} tokens read")
