#include "pkcs11/data_object.h"

#include <algorithm>

#include "tests/pkcs11/pkcs11_fixture.h"

namespace countersign::pkcs11 {
namespace {

using Anchors = OpenToken;

Bytes bytes(std::string_view text) {
  return {text.begin(), text.end()};
}

TEST_F(Anchors, SurviveTheProcessAndAreReplacedNewestFirst) {
  {
    const auto session = open();
    ASSERT_OK(session);
    ASSERT_OK(session->write_data_object(kAnchorLabel, view_of("size 1"), {}));
    ASSERT_OK(session->write_data_object(kAnchorLabel, view_of("size 2"), {}));
    ASSERT_OK(session->write_data_object("another label", view_of("something else"), {}));
  }
  const auto session = open();
  ASSERT_OK(session);
  auto listed = session->list_data_objects(kAnchorLabel);
  ASSERT_OK(listed);
  ASSERT_EQ(listed->size(), 2U);
  std::vector<DataObject> oldest;
  for (const DataObject& object : *listed) {
    if (object.value == bytes("size 1")) oldest.push_back(object);
  }
  ASSERT_EQ(oldest.size(), 1U);
  ASSERT_OK(session->write_data_object(kAnchorLabel, view_of("size 3"), oldest));
  listed = session->list_data_objects(kAnchorLabel);
  ASSERT_OK(listed);
  std::vector<Bytes> values;
  for (const DataObject& object : *listed) values.push_back(object.value);
  std::ranges::sort(values);
  EXPECT_EQ(values, (std::vector<Bytes>{bytes("size 2"), bytes("size 3")}));
}

TEST_F(Anchors, ThatAreEmptyAreListedAsFindings) {
  const auto session = open();
  ASSERT_OK(session);
  ASSERT_OK(session->write_data_object(kAnchorLabel, ByteView(), {}));
  const auto listed = session->list_data_objects(kAnchorLabel);
  ASSERT_OK(listed);
  ASSERT_EQ(listed->size(), 1U);
  EXPECT_TRUE(listed->front().value.empty());
}

TEST_F(Anchors, CannotBeWrittenInASessionThatMayOnlyRead) {
  const auto session = TokenSession::open(place_of(token_), token_.secret_pin(), Session::Access::ReadOnly);
  ASSERT_OK(session);
  EXPECT_FALSE(session->write_data_object(kAnchorLabel, view_of("size 1"), {}));
}

}  // namespace
}  // namespace countersign::pkcs11
