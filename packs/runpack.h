// A run as gait records it (gait-formats §16.3): manifest.json, run.json, intents.jsonl, results.jsonl, refs.json.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/digest.h"
#include "common/json.h"
#include "common/result.h"
#include "packs/content_check.h"
#include "packs/zip_archive.h"

namespace countersign::packs {

class Runpack {
 public:
  // Reads what the archive says; verified() tells whether it is true. Fails with Invalid on anything unreadable, and
  // with TooLarge.
  static Result<Runpack> parse(std::string_view archive);

  const std::string& run_id() const { return run_id_; }
  const std::string& capture_mode() const { return capture_mode_; }
  const std::string& manifest_digest() const { return manifest_digest_; }
  UtcTime created_at() const { return created_at_; }
  std::int64_t intents() const { return intents_; }
  std::int64_t results() const { return results_; }
  // {ref_id, source_type, source_locator, content_digest, retrieved_at} of what the run read.
  const Json::Array& receipts() const { return receipts_; }
  std::size_t signatures() const { return signatures_; }

  const ContentCheck& contents() const { return contents_; }
  bool manifest_digest_is_right() const { return manifest_digest_ == expected_digest_; }
  bool verified() const { return contents_.passed() && manifest_digest_is_right(); }

 private:
  Runpack() = default;
  std::string run_id_;
  std::string capture_mode_;
  std::string manifest_digest_;
  std::string expected_digest_;
  UtcTime created_at_;
  std::int64_t intents_ = 0;
  std::int64_t results_ = 0;
  Json::Array receipts_;
  std::size_t signatures_ = 0;
  ContentCheck contents_;
};

// The run as its signed traces tell it: an intent for each intent digest, a result for each decision. For runs that
// nobody recorded otherwise. Precondition: some trace, all verified.
std::string runpack_of_traces(const std::string& run_id, std::vector<Json> traces);

// The runpack of `gait demo`: always the same run, for trying packs out.
std::string demo_runpack();
inline constexpr std::string_view kDemoRun = "run_demo";

}  // namespace countersign::packs
