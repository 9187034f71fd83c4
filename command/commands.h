// Every command of the program, one function a file; command_table.cc puts them in the order of `countersign help`.
#pragma once

#include "command/command.h"

namespace countersign::command {

Command gate_eval_command();
Command gate_explain_command();
Command approve_command();
Command approve_inspect_command();
Command approve_script_command();
Command attest_command();
Command broker_vet_command();
Command broker_vet_worker_command();
Command broker_report_command();
Command delegate_mint_command();
Command delegate_verify_command();
Command kill_switch_add_command();
Command kill_switch_list_command();
Command kill_switch_disable_command();
Command kill_switch_expire_command();
Command requests_list_command();
Command requests_show_command();
Command mcp_proxy_command();
Command run_command();
Command permit_command();
Command trace_verify_command();
Command gate_serve_command();
Command demo_command();
Command verify_command();
Command verify_chain_command();
Command guard_pack_command();
Command guard_verify_command();
Command ceremony_plan_command();
Command ceremony_rehearse_command();
Command ceremony_run_command();
Command ceremony_resume_command();
Command ceremony_approve_command();
Command ceremony_verify_command();
Command ceremony_status_command();
Command policy_validate_command();
Command policy_fmt_command();
Command policy_test_command();
Command policy_simulate_command();
Command keys_list_command();
Command keys_show_command();
Command keys_export_command();
Command keys_halt_command();
Command keys_publish_command();
Command keys_sync_command();
Command keys_ack_command();
Command keys_activate_command();
Command keys_init_command();
Command keys_rotate_command();
Command keys_verify_command();
Command ledger_verify_command();
Command ledger_backup_command();
Command ledger_restore_command();
Command release_sign_command();
Command release_verify_command();
Command log_show_command();
Command log_verify_command();
Command log_prove_command();
Command log_fsck_command();
Command log_export_command();
Command log_follow_command();
Command status_command();
Command doctor_command();
Command config_check_command();
Command bench_budgets_command();
Command version_command();

}  // namespace countersign::command
