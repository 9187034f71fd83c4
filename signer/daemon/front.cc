#include "signer/daemon/front.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <set>

#include "common/error_line.h"
#include "keymgmt/publication/directory.h"
#include "signer/channel/control.h"
#include "signer/config/role_marks.h"
#include "signer/confinement/confinement.h"
#include "signer/daemon/health.h"
#include "signer/daemon/ledger_keeper.h"
#include "signer/daemon/owner_warnings.h"
#include "signer/daemon/router.h"
#include "signer/daemon/services.h"
#include "signer/daemon/standing_findings.h"

namespace countersign::daemon {
namespace {

using keymgmt::Role;

constexpr std::chrono::milliseconds kPoolTick{100};
constexpr std::chrono::seconds kAnchorEvery{30};
constexpr std::chrono::seconds kLongestStop{5};

int exit_status_of(const Error& error) {
  // Starting again does not bring a ledger back.
  if (error.reason == "ledger_missing") return row_of(ErrorCode::Refused).exit_code;
  const int status = row_of(error.code).exit_code;
  return status == row_of(ErrorCode::NotFound).exit_code ? row_of(ErrorCode::Unavailable).exit_code : status;
}

std::string folder_of(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

class Front {
 public:
  Front(int control, const config::Config& config)
      : config_(config),
        holders_(loop_, config.limits.sign_deadline,
                 [this](const HolderName& name, std::string_view cause) { replace(name, cause); }),
        control_(loop_, control, [this] { hear(); }) {}

  int run() {
    const Status prepared = prepare();
    if (!prepared) return fail(prepared.error()), exit_status_;
    loop_.every(kPoolTick, [this] { holders_.tick(std::chrono::steady_clock::now()); });
    loop_.run();
    return exit_status_;
  }

 private:
  // What can be judged before any holder is up.
  Status prepare() {
    confinement::forbid_inspection();
    ledger::SqliteOptions options;
    options.clock_step = config_.limits.clock_step;
    ASSIGN_OR_RETURN(store_, ledger::SqliteStore::open(config_.state + "/ledger.db", clock_, options));
    // With a clock that stepped it serves all but signatures, so that a custodian can say that the clock is right
    // again.
    keys_ = std::make_unique<KeyRing>();
    publisher_ = std::make_unique<Publisher>(loop_, config_, *keys_, holders_);
    RETURN_IF_ERROR(publisher_->open());
    custody_ = std::make_unique<KeyCustody>(loop_, config_, *store_, *keys_, holders_, *publisher_);
    ASSIGN_OR_RETURN(moved_, custody_->settle());
    RETURN_IF_ERROR(keys_->reload(*store_, config_, store_->time_guard().believed()));
    anchors_ = std::make_unique<AnchorKeeper>(config_, clock_, *store_, holders_);
    if (config_.role(Role::Log) == nullptr) return ok();
    log_ = std::make_unique<LogPublisher>(loop_, config_, *store_, *keys_, holders_);
    RETURN_IF_ERROR(log_->open());
    if (log_->mended() > 0) {
      findings_.note("the log's folder lacked or had other bytes in " + std::to_string(log_->mended()) +
                     " files; they were made again from the ledger");
    }
    return ok();
  }

  void hear() {
    while (!ended_) {
      Result<channel::ControlMessage> message = channel::receive_control(control_.descriptor());
      if (!message) {
        if (message.error().reason == "would_block") return;
        return stop();  // the supervisor is gone
      }
      obey(*message);
    }
  }

  void obey(channel::ControlMessage& message) {
    const std::string_view event = message.body.text("event");
    int descriptor = message.descriptors.empty() ? -1 : message.descriptors.front();
    for (std::size_t i = 1; i < message.descriptors.size(); ++i) ::close(message.descriptors[i]);
    if (event == "holder_up" && descriptor >= 0) {
      arrived(message.body, descriptor);
    } else if (event == "holder_down") {
      if (const std::optional<HolderName> name = name_in(message.body)) lost(*name, message.body);
    } else if (event == "notifier_up" && descriptor >= 0) {
      notifier_ = descriptor;
      if (services_) services_->pump.connect(std::exchange(notifier_, -1));
    } else {
      if (descriptor >= 0) ::close(descriptor);
      if (event == "stop") stop();
    }
  }

  static std::optional<HolderName> name_in(const Json& body) {
    const std::optional<Role> role = keymgmt::role_named(body.text("role"));
    const Json* index = body.find("index");
    const Json* generation = body.find("generation");
    if (!role || index == nullptr || !index->is_integer() || generation == nullptr || !generation->is_integer()) {
      return std::nullopt;
    }
    return HolderName{*role, static_cast<int>(index->as_integer()),
                      static_cast<std::uint64_t>(generation->as_integer())};
  }

  void arrived(const Json& body, int descriptor) {
    const std::optional<HolderName> name = name_in(body);
    const Json* ready = body.find("ready");
    if (!name || ready == nullptr) {
      ::close(descriptor);
      return;
    }
    const Result<std::vector<std::string>> compared = keys_->compare(name->role, *ready);
    const bool halted = config::is_halted(config_.state, name->role);
    if (!compared || halted) {
      ::close(descriptor);
      // It was started before the ledger could say that its role is halted, or served by another token.
      if (halted || moved_.contains(name->role)) return replace(*name, "halted");
      // Before the start that is final; later the role stays down and the others go on.
      if (!services_) return fail(compared.error());
      findings_.note(*name, {compared.error().detail});
      show_findings();
      return replace(*name, "key_mismatch");
    }
    moved_.erase(name->role);
    findings_.note(*name, *compared);
    show_findings();
    troubles_.clear(*name);
    holders_.add(*name, descriptor, *ready);
    if (services_ || comparing_) return;
    if (all_up()) compare_anchors();
  }

  void show_findings() {
    if (services_) services_->findings = findings_.shown();
  }

  void lost(const HolderName& name, const Json& body) {
    holders_.remove(name);
    troubles_.note(name, body);
    if (!services_) return;
    warnings_->tell(
        config::Event::HolderLost, std::string(keymgmt::name_of(name.role)) + std::to_string(name.index),
        Json::object({{"role", keymgmt::name_of(name.role)}, {"index", name.index}, {"cause", body.text("cause")}}));
  }

  // A holder that we gave up on.
  void replace(const HolderName& name, std::string_view cause) {
    say(Json::object({{"event", "replace_holder"},
                      {"role", keymgmt::name_of(name.role)},
                      {"index", name.index},
                      {"generation", name.generation},
                      {"cause", cause}}));
    if (!services_ || cause == "connection_closed") return;  // the supervisor tells why it ended
    warnings_->tell(config::Event::HolderReplaced,
                    std::string(keymgmt::name_of(name.role)) + std::to_string(name.index),
                    Json::object({{"role", keymgmt::name_of(name.role)}, {"index", name.index}, {"cause", cause}}));
  }

  bool all_up() const {
    for (const config::RoleConfig& role : config_.roles) {
      if (config::is_halted(config_.state, role.role)) continue;
      if (holders_.holders_of(role.role) < static_cast<std::size_t>(role.holders)) return false;
    }
    return true;
  }

  void compare_anchors() {
    comparing_ = true;
    anchors_->compare([this](const Result<std::vector<std::string>>& findings) {
      comparing_ = false;
      if (ended_) return;
      if (!findings) {
        // A holder that died meanwhile is replaced, and then we compare.
        if (findings.error().code == ErrorCode::Unavailable) return;
        return fail(findings.error());
      }
      for (const std::string& finding : *findings) findings_.note(finding);
      if (const Status live = go_live(); !live) fail(live.error());
    });
  }

  Result<transport::Listener> bind(const std::string& path, mode_t mode) {
    std::error_code ignored;  // bind says what is wrong
    std::filesystem::create_directories(folder_of(path), ignored);
    return transport::Listener::bind(path, mode);
  }

  Status go_live() {
    struct Opening {
      const std::string& path;
      config::Socket socket;
      mode_t mode;
    };
    const Opening openings[] = {{config_.sign_socket, config::Socket::Sign, config_.socket_mode},
                                {config_.admin_socket, config::Socket::Admin, config_.socket_mode},
                                {config_.public_socket, config::Socket::Public, 0666}};
    confinement::Needs needs;
    needs.kind = confinement::ProcessKind::Front;
    needs.mandatory = config_.confinement_mandatory;
    needs.read_write = {config_.state};
    if (log_) needs.read_write.push_back(config_.log.directory);
    if (!config_.publication.empty()) {
      // A directory that the configuration has since the last start; confined, only what is there can be reached.
      RETURN_IF_ERROR(publication::make_directory(config_.publication));
      needs.read_write.push_back(config_.publication);
    }
    for (const Opening& opening : openings) {
      if (opening.path.empty()) continue;
      ASSIGN_OR_RETURN(transport::Listener listener, bind(opening.path, opening.mode));
      listeners_.emplace_back(opening.socket, std::move(listener));
      needs.read_write.push_back(folder_of(opening.path));
    }
    ASSIGN_OR_RETURN(const confinement::Report report, confinement::confine(needs));

    services_ = std::make_unique<Services>(loop_, config_, clock_, *store_, *keys_, *custody_, *publisher_, holders_,
                                           troubles_, *anchors_, log_.get(), report.to_json());
    warnings_ = std::make_unique<OwnerWarnings>(config_, clock_, store_->time_guard(), *keys_, *publisher_,
                                                services_->recorder);
    show_findings();
    custody_->start(services_->recorder, [this](Role role) { end_holders(role); });
    publisher_->start(services_->recorder, [this](const std::vector<std::string>& paths) {
      warnings_->tell(config::Event::PublicationTampered, "publication", Json::object({{"files", Json::array(paths)}}));
    });
    services_->recorder.on_poisoned = [this](const Error& error) { fail(error); };
    if (notifier_ >= 0) services_->pump.connect(std::exchange(notifier_, -1));
    ledger_keeper_ = std::make_unique<LedgerKeeper>(
        loop_, config_, clock_, *store_, services_->recorder,
        [this](Json details) { warnings_->tell(config::Event::LedgerFault, "ledger", std::move(details)); });

    const config::LimitsConfig& limits = config_.limits;
    transport::HttpLimits http;
    http.connections = static_cast<std::size_t>(limits.connections);
    http.header_timeout = limits.header_timeout;
    http.body_timeout = limits.body_timeout;
    http.idle_timeout = limits.idle_timeout;
    http.write_timeout = limits.write_timeout;
    server_ = std::make_unique<transport::HttpServer>(loop_, http);
    router_ = std::make_unique<Router>(*services_, *server_);
    // Verifiers must know the keys before anything they sign can be seen.
    publisher_->publish([this](const Status& published) {
      if (ended_) return;
      if (!published && is_final(published.error())) return fail(published.error());
      if (const Status live = open_sockets(); !live) fail(live.error());
    });
    return ok();
  }

  // Without a repository nothing but this start says what verifiers know. With one, what they have stays true until it
  // expires, and no key signs that they lack; so only a directory that is not ours ends the start.
  bool is_final(const Error& error) const {
    return publisher_->repository() == nullptr || error.reason == "older_key_set" || error.reason == "two_publishers";
  }

  Status open_sockets() {
    for (auto& [socket, listener] : listeners_) {
      RETURN_IF_ERROR(server_->serve(std::move(listener), router_->handler(socket)));
    }
    loop_.every(std::chrono::seconds(1), [this] { every_second(); });
    loop_.every(kPoolTick, [this] {
      if (!ended_) ledger_keeper_->tick(std::chrono::steady_clock::now());
    });
    loop_.every(kCanaryEvery, [this] { holders_.canary_all(); });
    loop_.every(kAnchorEvery, [this] {
      if (!ended_) anchors_->write(services_->recorder);
    });
    anchors_->write(services_->recorder);
    if (log_) {
      log_->on_trouble = [this](const Error& error) {
        warnings_->tell(config::Event::LogTrouble, error.wire_code(), Json::object({{"message", error.detail}}));
      };
      log_->start();
    }
    say(Json::object({{"event", "listening"}}));
    return ok();
  }

  void every_second() {
    if (ended_) return;
    if (const std::string lost = server_->lost_socket(); !lost.empty()) return start_anew_without(lost);
    services_->pump.pump();
    services_->limiter.sweep(std::chrono::steady_clock::now());
    custody_->every_second();
    warnings_->tell_what_is_due();
  }

  // What they have in hand fails; the supervisor starts new ones where the role is not halted.
  void end_holders(Role role) {
    for (const HolderState& holder : holders_.states()) {
      if (holder.name.role == role) holders_.remove(holder.name);
    }
    say(Json::object({{"event", "halted"}, {"role", keymgmt::name_of(role)}}));
  }

  void say(const Json& message) {
    // A supervisor that is gone is noticed when its socket closes.
    [[maybe_unused]] const Status said = channel::send_control(control_.descriptor(), message);
  }

  // Answers what is under way, writes the anchors, ends.
  void stop() {
    if (ended_) return;
    ended_ = true;
    if (!services_) return loop_.stop();
    server_->stop_accepting();
    const auto give_up = std::chrono::steady_clock::now() + kLongestStop;
    loop_.every(std::chrono::milliseconds(20), [this, give_up] {
      const bool done = server_->idle() && services_->recorder.unfinished() == 0;
      if (stopping_ || (!done && std::chrono::steady_clock::now() < give_up)) return;
      stopping_ = true;
      services_->recorder.stop();
      const auto last = [this] { anchors_->write_last([this] { loop_.stop(); }); };
      log_ ? log_->stop(last) : last();
    });
  }

  // Nobody can connect to a socket whose file is gone; the next front makes it again.
  void start_anew_without(const std::string& socket) {
    exit_status_ = row_of(ErrorCode::Unavailable).exit_code;
    std::fprintf(stderr, "countersignd: socket_removed: somebody removed or replaced %s\n", socket.c_str());
    stop();
  }

  void fail(const Error& error) {
    ended_ = true;
    exit_status_ = exit_status_of(error);
    std::fprintf(stderr, "countersignd: %s\n", line_of(error).c_str());
    loop_.stop();
  }

  const config::Config& config_;
  SystemClock clock_;
  transport::EventLoop loop_;
  std::unique_ptr<ledger::SqliteStore> store_;
  std::unique_ptr<KeyRing> keys_;
  std::unique_ptr<Publisher> publisher_;
  std::unique_ptr<KeyCustody> custody_;
  std::vector<std::pair<config::Socket, transport::Listener>> listeners_;  // until they are served
  std::set<Role> moved_;  // roles whose holders may have been started by a mark that was not true
  HolderPool holders_;
  HolderTroubles troubles_;
  std::unique_ptr<AnchorKeeper> anchors_;
  std::unique_ptr<LogPublisher> log_;  // null where no role `log` is configured
  transport::ReadWatch control_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<OwnerWarnings> warnings_;  // as long as services_
  std::unique_ptr<LedgerKeeper> ledger_keeper_;
  std::unique_ptr<transport::HttpServer> server_;  // after services_: its responders release what they hold
  std::unique_ptr<Router> router_;
  StandingFindings findings_;
  int notifier_ = -1;
  int exit_status_ = 0;
  bool comparing_ = false;
  bool ended_ = false;
  bool stopping_ = false;
};

}  // namespace

int run_front(int control_descriptor, const config::Config& config) {
  std::signal(SIGPIPE, SIG_IGN);
  ::fcntl(control_descriptor, F_SETFL, ::fcntl(control_descriptor, F_GETFL) | O_NONBLOCK);
  Front front(control_descriptor, config);
  return front.run();
}

}  // namespace countersign::daemon
