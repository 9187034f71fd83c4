// Reads one YAML mapping of a policy as goccy/go-yaml does (reference: gait-formats §6.1): strict about names,
// generous about scalars. The first error sticks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/strict_yaml.h"
#include "gate/document/gait_fields.h"

namespace countersign::gate {

// Whether a plain scalar of this text is read as a number.
bool reads_as_number(std::string_view text);

// "[2:36] ", as goccy begins its errors.
std::string yaml_position(int line, int column);

class PolicyFields {
 public:
  // A Null node reads as an empty mapping. `structure` is gait's name for it ("Policy"). All outlive this.
  PolicyFields(const YamlNode& node, std::string_view structure, FirstError& error);
  // A mapping within, under `name`; of a list of them the one at `index`. All outlive this.
  PolicyFields(const YamlNode& node, std::string_view structure, const PolicyFields& owner, std::string_view name,
               std::optional<std::size_t> index = std::nullopt);
  PolicyFields(const YamlNode& node, const PolicyFields& owner, std::string_view name,
               std::optional<std::size_t> index = std::nullopt)
      : PolicyFields(node, owner.structure_, owner, name, index) {}
  // Refuses the members that nobody asked for.
  ~PolicyFields();
  PolicyFields(const PolicyFields&) = delete;
  PolicyFields& operator=(const PolicyFields&) = delete;

  void text(std::string_view name, std::string& out);                // numbers are re-formatted: 1.50 reads "1.5"
  void texts(std::string_view name, std::vector<std::string>& out);  // null elements are dropped
  void integer(std::string_view name, std::int64_t& out);            // 0x1F, 010, 1_000, '5', 1e2; 1.5 reads 1
  void optional_integer(std::string_view name, std::optional<std::int64_t>& out);
  void boolean(std::string_view name, bool& out);  // true and false in three spellings
  void optional_boolean(std::string_view name, std::optional<bool>& out);
  void number(std::string_view name, double& out);
  // The node of a mapping or sequence, null where absent or YAML's null.
  const YamlNode* mapping(std::string_view name);
  const YamlNode* sequence(std::string_view name);

 private:
  const YamlNode* take(std::string_view name);
  void check_kind();
  void mistyped(const YamlNode& node, std::string_view wanted, std::string place);
  void misplaced(const YamlNode& node, std::string_view wanted, std::string place);

  const YamlNode& node_;
  std::string_view structure_;
  DocumentPlace place_;
  FirstError& error_;
  std::vector<std::string_view> taken_;  // names are literals
};

}  // namespace countersign::gate
