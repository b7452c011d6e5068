#include "discreet/model/model_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "discreet/base/error.h"

namespace discreet {
namespace {

ModelFile example() {
  return {Json::parse(R"({"input": [4], "layers": [{"type": "linear", "outputs": 2}], "outputs": 2})"),
          Json::parse(R"({"kind": "table", "columns": [1, 2]})"),
          {"no", "yes"}};
}

std::string error_of(const std::string& bytes) {
  try {
    ModelFile::read(bytes);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kDataLoss);
    return error.what();
  }
  return "";
}

TEST(ModelFile, ComesBackAsItWas) {
  const std::string bytes = example().write();
  const ModelFile back = ModelFile::read(bytes);
  EXPECT_EQ(back.architecture, example().architecture);
  EXPECT_EQ(back.preprocessing, example().preprocessing);
  EXPECT_EQ(back.outputs, example().outputs);
  EXPECT_EQ(back.write(), bytes);
}

TEST(ModelFile, OutputsMustFitTheArchitecture) {
  ModelFile file = example();
  file.outputs = {"a", "b", "c"};
  EXPECT_THROW(file.write(), Error);
  file.outputs = {};
  EXPECT_THROW(file.write(), Error);  // nameless outputs: one number only
}

TEST(ModelFile, ANewerVersionIsUnsupported) {
  Json json = Json::parse(example().write());
  json["version"] = 2;
  try {
    ModelFile::read(json.dump());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
    EXPECT_THAT(error.what(), testing::HasSubstr("this program reads version 1"));
  }
}

TEST(ModelFile, FaultsAreNamed) {
  const Json good = Json::parse(example().write());
  auto changed = [&](const char* key, const Json& value) {
    Json json = good;
    json[key] = value;
    return error_of(json.dump());
  };
  EXPECT_THAT(changed("format", "other"), testing::HasSubstr("model.json.format"));
  EXPECT_THAT(changed("version", 0), testing::HasSubstr("model.json.version"));
  EXPECT_THAT(changed("extra", 1), testing::HasSubstr("unknown field"));
  EXPECT_THAT(changed("outputs", {"a", "a"}), testing::HasSubstr("twice"));
  EXPECT_THAT(changed("outputs", {"a", 1}), testing::HasSubstr("list of names"));
  EXPECT_THAT(changed("architecture", Json::object()), testing::HasSubstr("architecture.input: is missing"));
  EXPECT_THAT(error_of(good.dump().substr(0, 50)), testing::HasSubstr("not valid JSON"));
  EXPECT_THAT(error_of(""), testing::HasSubstr("not valid JSON"));
}

}  // namespace
}  // namespace discreet
