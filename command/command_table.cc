#include "command/commands.h"

namespace countersign::command {

std::span<const Command> all_commands() {
  static const Command kCommands[] = {
      gate_eval_command(),
      gate_serve_command(),
      gate_explain_command(),
      approve_command(),
      approve_inspect_command(),
      requests_list_command(),
      requests_show_command(),
      run_command(),
      permit_command(),
      trace_verify_command(),
      verify_command(),
      verify_chain_command(),
      guard_pack_command(),
      guard_verify_command(),
      demo_command(),
      policy_validate_command(),
      policy_fmt_command(),
      policy_test_command(),
      policy_simulate_command(),
      attest_command(),
      broker_vet_command(),
      broker_report_command(),
      broker_vet_worker_command(),
      delegate_mint_command(),
      delegate_verify_command(),
      kill_switch_add_command(),
      kill_switch_list_command(),
      kill_switch_disable_command(),
      kill_switch_expire_command(),
      keys_list_command(),
      keys_show_command(),
      keys_export_command(),
      keys_halt_command(),
      keys_activate_command(),
      keys_init_command(),
      keys_rotate_command(),
      keys_verify_command(),
      status_command(),
      doctor_command(),
      config_check_command(),
      version_command(),
  };
  return kCommands;
}

}  // namespace countersign::command
