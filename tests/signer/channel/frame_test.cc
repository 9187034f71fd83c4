#include "signer/channel/frame.h"

#include <gtest/gtest.h>

namespace countersign::channel {
namespace {

SignJob job() {
  return SignJob{statement::StatementType::ApprovalToken, "kid", 7, 1000, R"({"a":1})", R"({"kind":"unix_user"})"};
}

TEST(FrameReader, GivesWholeFramesHoweverTheBytesArrive) {
  std::string bytes;
  append_frame(bytes, FrameKind::Sign, 1, "first");
  append_frame(bytes, FrameKind::Canary, 2, "");
  append_frame(bytes, FrameKind::Failed, 0xfffffffffffffffe, std::string(100'000, 'x'));
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{4096}, bytes.size()}) {
    FrameReader reader;
    std::vector<Frame> frames;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      reader.feed(std::string_view(bytes).substr(at, step));
      for (;;) {
        auto frame = reader.next();
        ASSERT_TRUE(frame) << frame.error().detail;
        if (!frame->has_value()) break;
        frames.push_back(**frame);
      }
    }
    ASSERT_EQ(frames.size(), 3u);
    EXPECT_EQ(frames[0].payload, "first");
    EXPECT_EQ(frames[1].kind, FrameKind::Canary);
    EXPECT_EQ(frames[2].id, 0xfffffffffffffffe);
    EXPECT_EQ(frames[2].payload.size(), 100'000u);
  }
}

TEST(FrameReader, TakesTheLongestPayloadAndRefusesOneMore) {
  std::string bytes;
  append_frame(bytes, FrameKind::Sign, 1, std::string(kLongestPayload, 'x'));
  FrameReader reader;
  reader.feed(bytes);
  EXPECT_TRUE(reader.next()->has_value());
  bytes.clear();
  append_frame(bytes, FrameKind::Sign, 1, std::string(kLongestPayload + 1, 'x'));
  FrameReader strict;
  strict.feed(std::string_view(bytes).substr(0, 13));  // before the payload arrives: nothing is buffered for nonsense
  EXPECT_EQ(strict.next().error().code, ErrorCode::Invalid);
}

TEST(FrameReader, RefusesAnUnknownKindAndStaysRefusing) {
  std::string bytes;
  append_frame(bytes, static_cast<FrameKind>(99), 1, "");
  append_frame(bytes, FrameKind::Canary, 2, "");
  FrameReader reader;
  reader.feed(bytes);
  EXPECT_EQ(reader.next().error().reason, "frame_nonsense");
  EXPECT_FALSE(reader.next());
}

TEST(SignJob, ReadsBackAsWritten) {
  const std::string bytes = job().encode();
  const Result<SignJobView> read = SignJobView::decode(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->type, statement::StatementType::ApprovalToken);
  EXPECT_EQ(read->kid, "kid");
  EXPECT_EQ(read->sequence, 7u);
  EXPECT_EQ(read->peer_uid, 1000u);
  EXPECT_EQ(read->statement_json, R"({"a":1})");
  EXPECT_EQ(read->proof_json, R"({"kind":"unix_user"})");
}

TEST(SignJob, IsRefusedWhenAnyByteIsMissingOrLeftOver) {
  const std::string whole = job().encode();
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(SignJobView::decode(std::string_view(whole).substr(0, length))) << length;
  }
  EXPECT_FALSE(SignJobView::decode(whole + "x"));
  std::string other_type = whole;
  other_type[0] = 77;
  EXPECT_FALSE(SignJobView::decode(other_type));
}

const JsonNode& document() {
  static const JsonTree tree(Json::object({{"signature", Json::Object()}}));
  return tree.root();
}

TEST(SignAnswer, ReadsBackAsWrittenAndIsRefusedWhenCut) {
  const SignAnswerHead answer{sha256("job"), "kid", sha256("doc"), sha256("sig"),
                              UtcTime::from_unix(1'800'000'000, 42)};
  std::string whole;
  append_answer(whole, answer, document());
  const Result<SignAnswer> read = SignAnswer::decode(whole);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->job_digest, sha256("job"));
  EXPECT_EQ(read->signed_digest, sha256("doc"));
  EXPECT_EQ(read->signature_digest, sha256("sig"));
  EXPECT_EQ(read->signed_at, answer.signed_at);
  EXPECT_EQ(read->kid, "kid");
  EXPECT_EQ(read->statement_json, R"({"signature":{}})");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(SignAnswer::decode(std::string_view(whole).substr(0, length))) << length;
  }
  EXPECT_FALSE(SignAnswer::decode(whole + "x"));
}

TEST(SignAnswer, IsRefusedWithATimeThatDoesNotExist) {
  std::string bytes;
  append_answer(bytes, SignAnswerHead(), document());
  const std::size_t nanoseconds = 32 + 4 + 0 + 32 + 32 + 8;
  bytes[nanoseconds + 3] = '\x7f';
  EXPECT_FALSE(SignAnswer::decode(bytes));
}

TEST(Anchor, ReadsBackAsWrittenAndIsStrict) {
  const Anchor anchor{12, sha256("root"), UtcTime::from_unix(1'800'000'000)};
  const Result<Anchor> read = Anchor::from_json(anchor.to_json());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->size, 12u);
  EXPECT_EQ(read->root, anchor.root);
  EXPECT_EQ(read->at, anchor.at);
  Json more = anchor.to_json();
  more.set("extra", 1);
  EXPECT_FALSE(Anchor::from_json(more));
  Json less = anchor.to_json();
  less.set("size", -1);
  EXPECT_FALSE(Anchor::from_json(less));
}

TEST(ErrorPayload, ReadsBackAsWrittenAndNonsenseIsInternal) {
  const Error read = decode_error(encode_error({ErrorCode::Refused, "no", "scope_wildcard", "name the scope"}));
  EXPECT_EQ(read.code, ErrorCode::Refused);
  EXPECT_EQ(read.detail, "no");
  EXPECT_EQ(read.reason, "scope_wildcard");
  EXPECT_EQ(read.hint, "name the scope");
  const Error longer = decode_error(encode_error({ErrorCode::Invalid, "x" + std::string(1023, '\x01') + "ä"}));
  EXPECT_EQ(longer.code, ErrorCode::Invalid);
  EXPECT_EQ(longer.detail.size(), 1024 + 3u) << "cut between letters, with an ellipsis";
  std::string letters;
  for (int i = 0; i < 600; ++i) letters += "ä";
  EXPECT_EQ(decode_error(encode_error({ErrorCode::Invalid, "x" + letters})).code, ErrorCode::Invalid);
  EXPECT_EQ(decode_error("nonsense").code, ErrorCode::Internal);
  EXPECT_EQ(decode_error(R"({"code":"no_such_code"})").code, ErrorCode::Internal);
}

}  // namespace
}  // namespace countersign::channel
