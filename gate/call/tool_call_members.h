// What a tool call says beside its tool and arguments: targets, script, context, delegation, server (reference:
// gait-formats §5.1, §17).
#pragma once

#include "common/json.h"
#include "common/result.h"
#include "gate/call/tool_call.h"
#include "gate/document/gait_fields.h"

namespace countersign::gate {

struct CallMembers {
  Json targets{Json::Array{}};
  Json script;  // as an intent has it; null where there is none
  Json context{Json::Object{}};
  Json rest{Json::Object{}};  // arg_provenance, delegation, created_at and, of a whole call, skill_provenance

  // What is wrong sticks in the fields' error. Sets the call's server, oauth, run_id and job_id.
  static CallMembers read(GaitFields& call, CallReading reading, ToolCall& out);
  // Into the intent, whose context is filled in where it is incomplete; sets what is said of that.
  void put_into(ToolCall& out);
};

}  // namespace countersign::gate
