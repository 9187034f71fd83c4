// An evidence pack for reading: what happened when, who approved what, by which keys it is signed, what failed. As text
// and as one HTML page without scripts, pictures or links, so that it opens anywhere and asks no network.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "packs/evidence_pack.h"

namespace countersign::packs {

struct Report {
  using Row = std::vector<std::string>;
  struct Table {
    std::string title;
    Row columns;
    std::vector<Row> rows;  // each as long as `columns`
    std::string empty;      // what stands instead where there are none
    bool alarming = false;  // its rows are what went wrong
  };
  std::vector<std::pair<std::string, std::string>> about;
  std::vector<Table> tables;
};

// Precondition: inputs.proofs.
Report report_of(const PackInputs& inputs);

// Hostile text in them is shown, never obeyed: see displayed() and html_text().
std::string text_of(const Report& report);
std::string html_of(const Report& report);

}  // namespace countersign::packs
