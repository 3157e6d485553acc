"""Every span attribute key that reflect-otel reads or writes by name, once.

The ``REFLECT_*`` keys are ours. The ``GEN_AI_*`` keys follow the OpenTelemetry GenAI semantic conventions
(open-telemetry/semantic-conventions-genai, status Development). Dialect-specific keys of other
instrumentations live beside their reader in ``reflect_otel.dialects``.
"""

from typing import Final

# --- ours -----------------------------------------------------------------------------------------------
REFLECT_RUN_ID: Final = "reflect.run.id"
REFLECT_PROJECT_ID: Final = "reflect.project.id"
REFLECT_TASK: Final = "reflect.task"
REFLECT_FINAL_RESPONSE: Final = "reflect.final_response"
REFLECT_REVIEW_RESULT: Final = "reflect.review.result"
REFLECT_REVIEW_SCORE: Final = "reflect.review.score"
REFLECT_REVIEW_FEEDBACK: Final = "reflect.review.feedback"
REFLECT_REVIEW_SOURCE: Final = "reflect.review.source"
REFLECT_REVIEW_ID: Final = "reflect.review.id"
REFLECT_REVIEW_NAME: Final = "reflect.review.name"
REFLECT_REVIEW_ALPHA: Final = "reflect.review.alpha"
REFLECT_REVIEW_RUN_ID: Final = "reflect.review.run_id"
REFLECT_MEMORY_IDS: Final = "reflect.memory.ids"
REFLECT_MEMORY_CONTROL: Final = "reflect.memory.control"
REFLECT_MEMORY_SIMILARITIES: Final = "reflect.memory.similarities"
REFLECT_MEMORY_UTILITIES: Final = "reflect.memory.utilities"
REFLECT_MEMORY_SCORES: Final = "reflect.memory.scores"
REFLECT_MEMORY_KIND: Final = "reflect.memory.kind"
REFLECT_RETRIEVAL_LAMBDA: Final = "reflect.retrieval.lambda"
REFLECT_DEGRADED: Final = "reflect.degraded"
REFLECT_METADATA_PREFIX: Final = "reflect.metadata."
METADATA_CANCELLED: Final = "cancelled"
"""Metadata key of a run that was stopped from outside: the class of what stopped it."""
REFLECT_REFERENCE_CONTEXT: Final = "reflect.reference_context"
REFLECT_AGENT_ROLE: Final = "reflect.agent.role"
REFLECT_AGENT_PARENT_ID: Final = "reflect.agent.parent_id"
REFLECT_COST_USD: Final = "reflect.cost.usd"
REFLECT_RUN_COMPLETE: Final = "reflect.run.complete"

SUBMITTED_SCOPE: Final = "reflect_otel.create_trace"
"""Instrumentation scope of the span that a run submitted with ``create_trace`` becomes."""

# --- OpenTelemetry GenAI conventions --------------------------------------------------------------------
GEN_AI_OPERATION_NAME: Final = "gen_ai.operation.name"
GEN_AI_PROVIDER_NAME: Final = "gen_ai.provider.name"
GEN_AI_AGENT_NAME: Final = "gen_ai.agent.name"
GEN_AI_CONVERSATION_ID: Final = "gen_ai.conversation.id"
GEN_AI_REQUEST_MODEL: Final = "gen_ai.request.model"
GEN_AI_RESPONSE_MODEL: Final = "gen_ai.response.model"
GEN_AI_RESPONSE_ID: Final = "gen_ai.response.id"
GEN_AI_RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
GEN_AI_INPUT_MESSAGES: Final = "gen_ai.input.messages"
GEN_AI_OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
GEN_AI_SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
GEN_AI_TOOL_NAME: Final = "gen_ai.tool.name"
GEN_AI_TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
GEN_AI_TOOL_CALL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
GEN_AI_TOOL_CALL_RESULT: Final = "gen_ai.tool.call.result"
GEN_AI_USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
GEN_AI_USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
GEN_AI_TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105 - a key, not a password
GEN_AI_MEMORY_STORE_ID: Final = "gen_ai.memory.store.id"
GEN_AI_MEMORY_QUERY_TEXT: Final = "gen_ai.memory.query.text"
GEN_AI_MEMORY_RECORD_ID: Final = "gen_ai.memory.record.id"
GEN_AI_MEMORY_RECORDS: Final = "gen_ai.memory.records"
GEN_AI_MEMORY_RECORD_COUNT: Final = "gen_ai.memory.record.count"
GEN_AI_EVALUATION_RESULT_EVENT: Final = "gen_ai.evaluation.result"
GEN_AI_EVALUATION_NAME: Final = "gen_ai.evaluation.name"
GEN_AI_EVALUATION_SCORE_VALUE: Final = "gen_ai.evaluation.score.value"
GEN_AI_EVALUATION_SCORE_LABEL: Final = "gen_ai.evaluation.score.label"
GEN_AI_EVALUATION_EXPLANATION: Final = "gen_ai.evaluation.explanation"
ERROR_TYPE: Final = "error.type"
SESSION_ID: Final = "session.id"
SERVICE_NAME: Final = "service.name"

# --- scopes of our own spans ----------------------------------------------------------------------------
CLIENT_SCOPE: Final = "reflect_otel"
SERVICE_SCOPE: Final = "reflect_otel.service"
"""What a service says about itself; a service leaves it out of what it receives, or it would read itself."""
