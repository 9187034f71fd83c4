// gait's own documents, as key-file mode writes them: with gait's members and nothing of ours (reference: gait-formats
// §9.5, §16.1). The signer's are made in signer/statement.
#pragma once

#include "common/clock.h"
#include "gate/trace/trace.h"

namespace countersign::gate {

// The trace without its signature, in file order. `now` is observed_at.
Json gait_trace(const TraceInputs& inputs, UtcTime now);

// The member `countersign` that says a trace was simulated and what the verdict would be; `trace` gets the id that
// binds it under the signature. gait's readers drop the member; ours demand it, and `run` refuses the trace.
Json mark_simulated(Json& trace, const Decision& real);

// The approval token without its signature (gait-formats §9.1, §9.2): gait's id, which no random part distinguishes,
// and times to the nanosecond.
Json gait_approval_token(const statement::ApprovalTokenFields& fields, UtcTime now);

// The delegation token without its signature (gait-formats §11), likewise.
Json gait_delegation_token(const statement::DelegationTokenFields& fields, UtcTime now);

// The say token without its signature (docs/voice.md), likewise.
Json gait_say_token(const statement::SayTokenFields& fields, UtcTime now);

// An audit or other record beside the trace: `fields` as for the signer, led by the schema, in file order. gait signs
// none.
Json gait_record(statement::StatementType type, const Json& fields);

}  // namespace countersign::gate
