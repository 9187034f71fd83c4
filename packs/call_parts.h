// What happened in a call of a voice agent, row by row, as a call pack keeps it (docs/voice.md, "Call pack"). Rows are
// read strictly: members nobody knows are refused.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/json.h"
#include "common/result.h"
#include "gate/document/document_place.h"
#include "gate/document/gait_fields.h"
#include "gate/voice/commitment.h"

namespace countersign::packs {

// Where in a call something stands.
struct CallPlace {
  std::string call_id;
  std::int64_t call_seq = 0;  // from 1 on, among all events of the call
  std::int64_t turn_index = 0;
  std::string commitment_class;
};

struct CallEvent {
  std::string schema_id;
  std::string schema_version;
  UtcTime created_at;
  CallPlace at;  // its class may be empty
  std::string event_type;
  std::string intent_digest;
  std::string policy_digest;
  std::string say_token_id;
  std::string payload_digest;
  Json attributes;  // an object, or null
  Json json() const;
};

struct CallDecision {
  CallPlace at;
  std::string verdict;
  std::vector<std::string> reason_codes;  // sorted set
  std::string intent_digest;
  std::string policy_digest;
  std::string approval_ref;
  Json json() const;
};

struct SpeakReceipt {
  CallPlace at;
  std::string say_token_id;
  std::string spoken_digest;
  UtcTime emitted_at;
  Json json() const;
};

struct CallReference {
  std::string ref_id;
  std::string sha256;
  Json json() const;
  auto operator<=>(const CallReference&) const = default;
};

struct CallParts {
  std::vector<CallEvent> events;
  std::vector<gate::Commitment> commitments;
  std::vector<CallDecision> decisions;
  std::vector<SpeakReceipt> receipts;
  std::vector<CallReference> references;
};

// The members of a row; nothing else may stand there.
CallEvent read_event(gate::GaitFields& fields);
CallDecision read_decision(gate::GaitFields& fields);
SpeakReceipt read_receipt(gate::GaitFields& fields);
CallReference read_reference(gate::GaitFields& fields);

// gait's normal form of a row of the call `call_id`, in place. Fails with Invalid at the member below `place`.
Status normalise(CallEvent& event, std::string_view call_id, const gate::DocumentPlace& place);
Status normalise(CallDecision& decision, std::string_view call_id, const gate::DocumentPlace& place);
Status normalise(SpeakReceipt& receipt, std::string_view call_id, const gate::DocumentPlace& place);
// Without those that name no reference or no digest; a sorted set.
std::vector<CallReference> normalised(std::vector<CallReference> references);

// What must be true of a call: events in the order of call_seq with every required type among them; each emitted
// sentence of a class has a receipt with its say token; and the latest decision at or before each receipt, of its turn
// and class, is an allow. Fails with Invalid.
Status check_events(const std::vector<CallEvent>& events);
Status check_speech(const CallParts& parts);

}  // namespace countersign::packs
