// The commands of this room, for the table in command/command_table.cc.
#pragma once

#include "command/line/command.h"

namespace countersign::command {

Command broker_serve_command();
Command broker_mcp_command();
Command broker_call_command();
Command broker_search_command();
Command broker_describe_command();
Command broker_load_command();
Command broker_explain_command();
Command broker_pending_command();
Command broker_approve_command();
Command broker_reject_command();
Command broker_revoke_command();
Command broker_quarantine_command();
Command broker_lists_command();
Command broker_audit_command();
Command broker_events_command();
Command broker_deliveries_command();
Command broker_reply_command();
Command broker_export_command();
Command broker_import_command();
Command broker_propose_command();
Command broker_proposals_command();
Command broker_vet_command();
Command broker_vet_worker_command();
Command broker_report_command();
Command broker_inbox_command();
Command broker_break_glass_command();

}  // namespace countersign::command
