#include "gate/broker/http_post.h"

#include "common/curl/curl_library.h"
#include "common/text.h"
#include "gate/broker/event_stream.h"
#include "gate/broker/upstream_messages.h"

namespace countersign::broker {
namespace {

constexpr std::size_t kLongestHead = std::size_t{64} << 10;
constexpr std::size_t kLongestSession = 1024;
constexpr long kConnectTime = 5000;  // milliseconds

// What comes in.
struct Incoming {
  explicit Incoming(const HttpPost::OnEvent& on_event) : events(on_event) {}
  HttpPost::Answer answer;
  EventStream events;
  std::size_t head = 0;
  std::size_t taken = 0;
  bool too_large = false;
  bool enough = false;  // the event waited for has come: the reading was ended here
};

std::size_t take_body(char* bytes, std::size_t size, std::size_t count, void* place) {
  auto& incoming = *static_cast<Incoming*>(place);
  const std::size_t more = size * count;
  incoming.taken += more;
  incoming.too_large = incoming.taken > kLongestServerMessage;
  if (incoming.too_large) return 0;
  if (!incoming.answer.events) {
    incoming.answer.body.append(bytes, more);
    return more;
  }
  incoming.enough = incoming.events.take({bytes, more});
  return incoming.enough ? 0 : more;
}

std::size_t take_head(char* bytes, std::size_t size, std::size_t count, void* place) {
  auto& incoming = *static_cast<Incoming*>(place);
  const std::string_view line(bytes, size * count);
  incoming.head += line.size();
  incoming.too_large = incoming.head > kLongestHead;
  if (incoming.too_large) return 0;
  if (line.starts_with("HTTP/")) incoming.answer = {};  // one that stood before it was provisional
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return line.size();
  const std::string name = lowered(line.substr(0, colon));
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (name == "content-type") incoming.answer.events = lowered(value).starts_with("text/event-stream");
  if (name == "mcp-session-id" && value.size() <= kLongestSession) incoming.answer.session = value;
  return line.size();
}

using Handle = std::unique_ptr<CURL, void (*)(CURL*)>;

}  // namespace

struct HttpPost::State {
  std::string url;
  std::string ca;
  Handle easy{nullptr, nullptr};

  Status prepare(const curl::Library& library);
};

Status HttpPost::State::prepare(const curl::Library& library) {
  if (easy) return ok();
  easy = Handle(library.easy_init(), library.easy_cleanup);
  if (!easy) return Error{ErrorCode::Unavailable, "libcurl has no handle", "not_sent"};
  CURL* handle = easy.get();
  library.easy_setopt(handle, CURLOPT_URL, url.c_str());
  library.easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  library.easy_setopt(handle, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
  library.easy_setopt(handle, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
  library.easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
  library.easy_setopt(handle, CURLOPT_PROXY, "");
  library.easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  library.easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, kConnectTime);
  library.easy_setopt(handle, CURLOPT_POST, 1L);
  library.easy_setopt(handle, CURLOPT_WRITEFUNCTION, take_body);
  library.easy_setopt(handle, CURLOPT_HEADERFUNCTION, take_head);
  if (!ca.empty()) library.easy_setopt(handle, CURLOPT_CAINFO, ca.c_str());
  return ok();
}

HttpPost::HttpPost(std::string url, std::string ca)
    : state_(std::make_unique<State>(State{std::move(url), std::move(ca)})) {}
HttpPost::HttpPost(HttpPost&&) noexcept = default;
HttpPost::~HttpPost() = default;

Result<HttpPost::Answer> HttpPost::post(const std::vector<std::string>& headers, const std::string& body,
                                        std::chrono::milliseconds within, const OnEvent& on_event) {
  const Result<curl::Library>& loaded = curl::library();
  if (!loaded) return Error{ErrorCode::Unavailable, loaded.error().detail, "not_sent", loaded.error().hint};
  const curl::Library& library = *loaded;
  RETURN_IF_ERROR(state_->prepare(library));
  CURL* easy = state_->easy.get();
  curl_slist* list = nullptr;
  for (const std::string& each : headers) list = library.slist_append(list, each.c_str());
  const std::unique_ptr<curl_slist, decltype(library.slist_free_all)> owned(list, library.slist_free_all);
  Incoming incoming(on_event);
  library.easy_setopt(easy, CURLOPT_HTTPHEADER, list);
  library.easy_setopt(easy, CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
  library.easy_setopt(easy, CURLOPT_POSTFIELDS, body.c_str());
  library.easy_setopt(easy, CURLOPT_TIMEOUT_MS, std::max<long>(1, static_cast<long>(within.count())));
  library.easy_setopt(easy, CURLOPT_WRITEDATA, &incoming);
  library.easy_setopt(easy, CURLOPT_HEADERDATA, &incoming);
  const CURLcode done = library.easy_perform(easy);
  long sent = 0;
  library.easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &sent);
  library.easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &incoming.answer.status);
  library.easy_setopt(easy, CURLOPT_HTTPHEADER, nullptr);
  if (incoming.too_large) return Error{ErrorCode::TooLarge, "its answer is too long", "no_answer"};
  if (done == CURLE_OK || incoming.enough) return std::move(incoming.answer);
  return Error{ErrorCode::Unavailable, library.easy_strerror(done), sent == 0 ? "not_sent" : "no_answer"};
}

}  // namespace countersign::broker
