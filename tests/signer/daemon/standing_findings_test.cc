#include "signer/daemon/standing_findings.h"

#include <gtest/gtest.h>

namespace countersign::daemon {
namespace {

using keymgmt::Role;
using Texts = std::vector<std::string>;

TEST(StandingFindings, OfAHolderLastUntilTheNextInItsPlaceIsCompared) {
  StandingFindings findings;
  findings.note("the ledger was restored");
  findings.note({Role::Trace, 0, 1}, {"lacks the active key"});
  findings.note({Role::Trace, 1, 1}, {"lacks the active key", "holds a key that nobody knows"});
  EXPECT_EQ(findings.shown(),
            (Texts{"holds a key that nobody knows", "lacks the active key", "the ledger was restored"}));
  findings.note({Role::Trace, 1, 2}, {});
  EXPECT_EQ(findings.shown(), (Texts{"lacks the active key", "the ledger was restored"}));
  findings.note({Role::Trace, 0, 2}, {});
  EXPECT_EQ(findings.shown(), (Texts{"the ledger was restored"}));
}

}  // namespace
}  // namespace countersign::daemon
