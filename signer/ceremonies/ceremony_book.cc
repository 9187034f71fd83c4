#include "signer/ceremonies/ceremony_book.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "common/durable_file.h"
#include "common/json_fields.h"

namespace countersign::ceremonies {
namespace {

constexpr std::size_t kLargestFile = std::size_t{4} << 20;
constexpr std::string_view kOpen = "/open.json";

std::string opening_id(const Digest& plan) {
  return "ceremony:" + plan.hex();
}
std::string closing_id(const Digest& plan) {
  return "ceremony-closed:" + plan.hex();
}
std::string version_id(std::int64_t version) {
  return "standing:" + std::to_string(version);
}
std::string standing_id(const Standing& standing) {
  return version_id(standing.version) + ":" + standing.to_json().digest().hex();
}
ledger::Redemption once(const std::string& id) {
  return {id, sha256(id)};
}

Result<OpenCeremony> open_from(const Json& json) {
  JsonFields fields(json, "");
  ASSIGN_OR_RETURN(const std::string text, fields.text("intent"));
  ASSIGN_OR_RETURN(ceremony::Intent intent, ceremony::read_intent(text));
  ASSIGN_OR_RETURN(const Json* approvals, fields.required("approvals"));
  ASSIGN_OR_RETURN(std::vector<ceremony::Approval> read, ceremony::read_approvals(*approvals));
  ASSIGN_OR_RETURN(const std::string at, fields.text("opened_at"));
  ASSIGN_OR_RETURN(const UtcTime opened_at, UtcTime::parse(at));
  RETURN_IF_ERROR(fields.finish());
  return OpenCeremony{std::move(intent), std::move(read), opened_at};
}

Result<Json> json_file(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, read_file(path, kLargestFile));
  return Json::parse(text, {.bytes = kLargestFile});
}

}  // namespace

Json Standing::to_json() const {
  return Json::object({{"version", version},
                       {"quorum", quorum ? quorum->to_json() : Json()},
                       {"approvers", approvers},
                       {"verifiers", verifiers},
                       {"by", by}});
}

Result<Standing> Standing::from_json(const Json& json) {
  JsonFields fields(json, "");
  Standing standing;
  ASSIGN_OR_RETURN(standing.version, fields.integer("version", 1, 1'000'000));
  ASSIGN_OR_RETURN(const Json* quorum, fields.required("quorum"));
  if (!quorum->is_null()) {
    ASSIGN_OR_RETURN(standing.quorum, ceremony::read_quorum(*quorum));
  }
  ASSIGN_OR_RETURN(standing.approvers, fields.text("approvers"));
  ASSIGN_OR_RETURN(standing.verifiers, fields.text("verifiers"));
  ASSIGN_OR_RETURN(standing.by, fields.text("by"));
  RETURN_IF_ERROR(fields.finish());
  return standing;
}

ledger::Redemption CeremonyBook::opening(const Digest& plan) {
  return once(opening_id(plan));
}

ledger::Redemption CeremonyBook::closing(const Digest& plan) {
  return once(closing_id(plan));
}

std::vector<ledger::Redemption> CeremonyBook::settling(const Standing& standing) {
  return {once(version_id(standing.version)), once(standing_id(standing))};
}

Status CeremonyBook::load(const ledger::Store& store) {
  standing_ = Standing();
  for (std::int64_t version = 1;; ++version) {
    ASSIGN_OR_RETURN(const bool settled, store.redeemed(version_id(version)));
    if (!settled) break;
    const std::string path = folder_ + "/standing." + std::to_string(version) + ".json";
    const Result<Json> json = json_file(path);
    Result<Standing> read = json ? Standing::from_json(*json) : Result<Standing>(json.error());
    ASSIGN_OR_RETURN(const bool known, read ? store.redeemed(standing_id(*read)) : Result<bool>(false));
    if (!known) {
      return Error{ErrorCode::Refused, path + " is not what the custodians agreed to in the ledger", "standing_missing",
                   "restore the file from the backup of the state directory"};
    }
    standing_ = *std::move(read);
  }
  open_.reset();
  const Result<Json> json = json_file(folder_ + std::string(kOpen));
  if (!json) return json.error().code == ErrorCode::NotFound ? ok() : Status(json.error());
  ASSIGN_OR_RETURN(OpenCeremony open, open_from(*json));
  ASSIGN_OR_RETURN(const bool opened, store.redeemed(opening_id(open.intent.digest)));
  ASSIGN_OR_RETURN(const bool closed, store.redeemed(closing_id(open.intent.digest)));
  if (opened && !closed) open_ = std::move(open);
  // Closed, and the crash came before this: nothing of it is lost, its end is written before it is recorded.
  if (closed && unlink((folder_ + std::string(kOpen)).c_str()) != 0 && errno != ENOENT) {
    return Error{ErrorCode::Unavailable, "cannot remove " + folder_ + std::string(kOpen)};
  }
  return ok();
}

Result<bool> CeremonyBook::used(const ledger::Store& store, const Digest& plan) const {
  return store.redeemed(opening_id(plan));
}

std::vector<Json> CeremonyBook::ended() const {
  std::vector<Json> ended;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder_, error), end; !error && at != end; at.increment(error)) {
    if (!at->path().filename().string().ends_with(".ended.json")) continue;
    Result<Json> json = json_file(at->path().string());
    if (json) ended.push_back(*std::move(json));
  }
  std::ranges::sort(ended, {}, [](const Json& each) { return std::string(each.text("closed_at")); });
  return ended;
}

Status CeremonyBook::write_open(const ceremony::Intent& intent, const std::vector<ceremony::Approval>& approvals,
                                UtcTime at) const {
  const Json json = Json::object({{"intent", intent.text},
                                  {"approvals", ceremony::approvals_json(approvals)},
                                  {"opened_at", at.whole_seconds().rfc3339()}});
  return write_durable(folder_ + std::string(kOpen), json.compact() + "\n", 0600);
}

Status CeremonyBook::write_standing(const Standing& standing) const {
  return write_durable(folder_ + "/standing." + std::to_string(standing.version) + ".json",
                       standing.to_json().compact() + "\n", 0600);
}

Status CeremonyBook::write_transcript(const Digest& plan, std::string_view text) const {
  return write_durable(folder_ + "/" + plan.hex() + ".jsonl", text, 0600);
}

Status CeremonyBook::write_end(const ceremony::Intent& intent, std::string_view outcome, UtcTime at) const {
  const Json json = Json::object({{"sha256", intent.digest.hex()},
                                  {"name", intent.name},
                                  {"purpose", ceremony::name_of(intent.purpose)},
                                  {"outcome", outcome},
                                  {"closed_at", at.whole_seconds().rfc3339()}});
  return write_durable(folder_ + "/" + intent.digest.hex() + ".ended.json", json.compact() + "\n", 0600);
}

}  // namespace countersign::ceremonies
