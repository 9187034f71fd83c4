// Reads the members of gait's structures as Go's decoder does (reference: gait-formats §3.1): names match without
// regard to case, unknown ones are ignored, null leaves a value as it was. The first error sticks and is asked for
// once, at the end, so that a reader is a list of members.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/json.h"
#include "common/result.h"
#include "gate/document/document_place.h"

namespace countersign::gate {

// The first error of one document, shared by the readers of its structures.
class FirstError {
 public:
  // `context` stands before every text ("parse intent json: ").
  explicit FirstError(std::string context) : context_(std::move(context)) {}
  // `field` is the path of the member that is wrong.
  void add(std::string detail, std::string field);
  Status status() const;
  bool any() const { return !detail_.empty(); }

 private:
  std::string context_;
  std::string detail_;
  std::string field_;
};

class GaitFields {
 public:
  // `object` must be an object; `structure` is gait's name for it ("IntentRequest"). All outlive this.
  GaitFields(const Json& object, std::string_view structure, FirstError& error)
      : object_(object), structure_(structure), error_(error) {}
  // A structure within, under `name`; of a list of them the one at `index`. All outlive this.
  GaitFields(const Json& object, const GaitFields& owner, std::string_view name,
             std::optional<std::size_t> index = std::nullopt)
      : object_(object), structure_(owner.structure_), place_(owner.place_, name, index), error_(owner.error_) {}

  void text(std::string_view name, std::string& out);
  void texts(std::string_view name, std::vector<std::string>& out);
  // `wanted` is the type's name in gait's structure, for the error.
  void integer(std::string_view name, std::int64_t& out, std::string_view wanted = "int64");
  void boolean(std::string_view name, bool& out);
  void number(std::string_view name, double& out);
  void time(std::string_view name, UtcTime& out);
  // A free map: an object, or null where absent.
  void map(std::string_view name, Json& out);
  // A structure, or null where absent.
  const Json* structure(std::string_view name);
  // A list of structures; empty where absent.
  std::vector<const Json*> structures(std::string_view name);

  const DocumentPlace& place() const { return place_; }

  // The member of that name: exactly, else without regard to case. Two spellings of one member are an error.
  const Json* member(std::string_view name);
  // Names that no reader asked for, for documents whose unknown members are refused.
  void refuse_unknown();

 private:
  void mistyped(std::string_view name, const Json& value, std::string_view wanted,
                std::optional<std::size_t> index = std::nullopt);

  const Json& object_;
  std::string_view structure_;
  DocumentPlace place_;
  FirstError& error_;
  std::vector<std::string_view> asked_;  // names are literals
};

// "sha256 hex": exactly 64 lower-case hex digits.
bool is_digest_text(std::string_view text);

}  // namespace countersign::gate
