// Frames and their payloads, cut anywhere: whole frames come out the same, nonsense is refused.
#include "signer/channel/frame.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace countersign::channel;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  FrameReader reader;
  for (std::size_t at = 0; at < text.size(); at += 7) {
    reader.feed(text.substr(at, 7));
    for (auto frame = reader.next(); frame && frame->has_value(); frame = reader.next()) {
      (void)SignJobView::decode((*frame)->payload);
      (void)SignAnswer::decode((*frame)->payload);
      (void)decode_error((*frame)->payload);
    }
  }
  (void)SignJobView::decode(text);
  (void)SignAnswer::decode(text);
  (void)decode_error(text);
  return 0;
}
