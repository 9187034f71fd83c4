#include "gate/intent/endpoint.h"

#include <gtest/gtest.h>

#include <utility>

namespace countersign::gate {
namespace {

TEST(EndpointDomain, IsTheHostNameOfAUrl) {
  const std::pair<const char*, const char*> cases[] = {
      {"https://Example.COM:443/x", "example.com"},
      {"https://user:pw@host/x?q#f", "host"},
      {"http://[::1]:80/", "::1"},
      {"mailto:a@b", ""},
      {"//host/x", "host"},
      {"http://ho st/", ""},
      {"http://host:port/", ""},
      {"http://%zz/", ""},
      {"no url at all", ""},
  };
  for (const auto& [url, host] : cases) EXPECT_EQ(inferred_endpoint_domain("url", url), host) << url;
  EXPECT_EQ(inferred_endpoint_domain("host", "https://Db.Internal:5432/x"), "db.internal");
  EXPECT_EQ(inferred_endpoint_domain("path", "https://x"), "");
}

}  // namespace
}  // namespace countersign::gate
