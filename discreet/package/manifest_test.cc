#include "discreet/package/manifest.h"

#include <gtest/gtest.h>

#include "discreet/base/hash.h"
#include "discreet/package/testing.h"

namespace discreet {
namespace {

using testing_package::Home;
using testing_package::kind_of;

TEST(ManifestTest, SignsTheDocumentedBytes) {
  Home home;
  const SigningKey key = SigningKey::load_or_create(home.path() / "key");
  const Manifest manifest = Manifest::make({{"b", "2"}, {"a", "1"}}, key);
  // The form that other programs have to build to check a signature, written out by hand.
  const std::string expected = "{\"files\":{\"a\":{\"bytes\":1,\"sha256\":\"" + sha256_hex("1") +
                               "\"},\"b\":{\"bytes\":1,\"sha256\":\"" + sha256_hex("2") +
                               "\"}},\"format\":\"discreet-package\",\"public_key\":\"" + key.public_key() +
                               "\",\"version\":1}";
  EXPECT_EQ(manifest.signed_bytes(), expected);
  EXPECT_TRUE(verify_signature(manifest.public_key, expected, manifest.signature));
  EXPECT_EQ(Manifest::from_text(manifest.to_text()).to_text(), manifest.to_text());
}

TEST(ManifestTest, OnlyTheWrittenFormIsRead) {
  Home home;
  const Manifest manifest = Manifest::make({{"a", "1"}}, SigningKey::load_or_create(home.path() / "key"));
  const std::string text = manifest.to_text();
  const auto kind = [](const std::string& changed) { return kind_of([&] { Manifest::from_text(changed); }); };
  EXPECT_EQ(kind(text), std::nullopt);
  EXPECT_EQ(kind(text + "\n"), ErrorKind::kDataLoss);
  EXPECT_EQ(kind(Json::parse(text).dump()), ErrorKind::kDataLoss);
  const auto with = [&](const char* place, const Json& value) {
    Json json = Json::parse(text);
    json[Json::json_pointer(place)] = value;
    return json.dump(2) + "\n";
  };
  EXPECT_EQ(kind(with("/format", "discreet-certificate")), ErrorKind::kDataLoss);
  EXPECT_EQ(kind(with("/version", 2)), ErrorKind::kUnsupported);
  EXPECT_EQ(kind(with("/surprise", 1)), ErrorKind::kDataLoss);
  EXPECT_EQ(kind(with("/files/a/bytes", -1)), ErrorKind::kDataLoss);
  EXPECT_EQ(kind(with("/files", Json{{"../a", {{"sha256", ""}, {"bytes", 1}}}})), ErrorKind::kDataLoss);
  for (const char* other : {"", "null", "[1]", "{}"}) EXPECT_EQ(kind(other), ErrorKind::kDataLoss) << other;
}

}  // namespace
}  // namespace discreet
