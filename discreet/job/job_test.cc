#include "discreet/job/job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "discreet/base/error.h"
#include "discreet/job/settings.h"

namespace discreet {
namespace {

using ::testing::HasSubstr;

std::string message_of(const std::vector<std::string>& arguments) {
  try {
    parse_train_job(arguments);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

class JobFile : public ::testing::Test {
 protected:
  std::string write(const std::string& text) {
    const auto path =
        std::filesystem::temp_directory_path() / ("discreet_job_test_" + std::to_string(getpid()) + ".toml");
    std::ofstream(path) << text;
    return path.string();
  }
};

TEST(Job, DefaultsAreTheDocumentedOnes) {
  const TrainJob job = parse_train_job({"people.csv"});
  EXPECT_EQ(job.epsilon, 3);
  EXPECT_EQ(job.delta, 1e-5);
  EXPECT_EQ(job.relation, Relation::kAddOrRemoveOne);
  EXPECT_EQ(job.name, "people");
  EXPECT_EQ(job.out, "people.discreet");
  EXPECT_FALSE(job.sample_size || job.batch_size || job.epochs || job.target || job.seed_for_tests);
}

TEST(Job, EpsilonOutsideItsRangeIsRefusedByName) {
  for (const char* bad : {"0", "-1", "nan", "1e9", "inf", "three", "", "3x"}) {
    EXPECT_THAT(message_of({"d.csv", "--epsilon", bad}), HasSubstr("--epsilon: allowed is 0.01 to 100"))
        << bad;
  }
}

TEST(Job, UnknownSettingsGetTheNearestName) {
  EXPECT_THAT(message_of({"d.csv", "--epsilom", "3"}), HasSubstr("the nearest is '--epsilon'"));
  EXPECT_THAT(message_of({"d.csv", "--epochs"}), HasSubstr("--epochs needs a value"));
  EXPECT_THAT(message_of({"d.csv", "--epochs", "1", "--epochs=2"}), HasSubstr("given twice"));
  EXPECT_THAT(message_of({}), HasSubstr("DATA is missing"));
  EXPECT_THAT(message_of({"a.csv", "b.csv"}), HasSubstr("one DATA is allowed"));
}

TEST_F(JobFile, FlagsOverrideTheFile) {
  const std::string path =
      write("data = 'x.csv'\nepsilon = 1\nbatch_size = 64\ntarget = 'y'\nheader = true\n[schema]\na = 1\n");
  const TrainJob job = parse_train_job({path, "--epsilon", "2"});
  EXPECT_EQ(job.epsilon, 2);
  EXPECT_EQ(job.batch_size, 64);
  EXPECT_EQ(job.target, "y");
  EXPECT_EQ(job.header, true);
  EXPECT_EQ(job.schema.at("a"), 1);
  EXPECT_EQ(job.data, "x.csv");
}

TEST_F(JobFile, TheSchemasUnitIsTheJobsUnit) {
  const std::string path = write("data = 'x.csv'\n[schema]\nunit = 'person'\n");
  EXPECT_EQ(parse_train_job({path}).unit, "person");
  EXPECT_EQ(parse_train_job({path, "--unit", "person"}).unit, "person");
  EXPECT_THAT(message_of({path, "--unit", "house"}), HasSubstr("--unit: the schema declares another unit"));
}

TEST_F(JobFile, UnknownKeysAndWrongTypesAreNamed) {
  EXPECT_THAT(message_of({write("data = 'x.csv'\nepsylon = 1\n")}), HasSubstr("the nearest is 'epsilon'"));
  EXPECT_THAT(message_of({write("data = 'x.csv'\nepsilon = 'a'\n")}), HasSubstr("epsilon: allowed is"));
  EXPECT_THAT(message_of({write("data = \n")}), HasSubstr("line 1"));
  EXPECT_THAT(message_of({write("epsilon = 1\n")}), HasSubstr("data: the setting is missing"));
}

TEST(Job, SurvivesTheRoundTripThatResumeNeeds) {
  TrainJob job =
      parse_train_job({"people.csv",   "--target",         "income",      "--unit",       "id", "--epsilon",
                       "1.5",          "--relation",       "replace-one", "--separator",  ";",  "--header",
                       "no",           "--seed-for-tests", "7",           "--batch-size", "12", "--out",
                       "a/b.discreet", "--clipping",       "adaptive",    "--processes",  "3"});
  const TrainJob again = TrainJob::from_json(Json::parse(job.to_json().dump()));
  EXPECT_EQ(again.to_json(), job.to_json());
  EXPECT_EQ(again.separator, ';');
  EXPECT_EQ(again.header, false);
  EXPECT_EQ(again.seed_for_tests, 7u);
  EXPECT_EQ(again.clipping, ClippingMode::kAdaptive);
  EXPECT_EQ(again.processes, 3);
}

TEST_F(JobFile, ClippingIsOneOfFour) {
  EXPECT_EQ(parse_train_job({"d.csv"}).clipping, ClippingMode::kFlat);
  for (const char* mode : {"flat", "per-layer", "normalised", "adaptive"}) {
    EXPECT_EQ(to_string(parse_train_job({"d.csv", "--clipping", mode}).clipping), mode);
    const std::string path = write("data = 'x.csv'\nclipping = '" + std::string(mode) + "'\n");
    EXPECT_EQ(to_string(parse_train_job({path}).clipping), mode);
  }
  for (const char* bad : {"ghost", "Flat", "per_layer"})
    EXPECT_THAT(message_of({"d.csv", "--clipping", bad}),
                HasSubstr("clipping must be flat, per-layer, normalised or adaptive"));
}

TEST(Job, AnUnfinishedRunOfBeforeThereWasAChoiceOfClippingIsFlat) {
  Json job = parse_train_job({"d.csv", "--clipping", "adaptive"}).to_json();
  job["clipping"] = "ghost";
  EXPECT_THROW(TrainJob::from_json(job), Error);
  job.erase("clipping");
  EXPECT_EQ(TrainJob::from_json(job).clipping, ClippingMode::kFlat);
}

TEST(Job, ResumeKeepsItsSettings) {
  EXPECT_THAT(message_of({"--resume", "a.discreet", "--epsilon", "4"}),
              HasSubstr("--epsilon cannot be changed on --resume"));
  EXPECT_EQ(parse_train_job({"--resume", "a.discreet"}).resume, "a.discreet");
  EXPECT_EQ(parse_train_job({"--resume", "a.discreet", "--processes", "3"}).processes,
            3);  // who works, not what
}

TEST(Job, ProcessesAreOneToSixtyFour) {
  EXPECT_FALSE(parse_train_job({"d.csv"}).processes);
  EXPECT_EQ(parse_train_job({"d.csv", "--processes", "64"}).processes, 64);
  for (const char* bad : {"0", "65", "1.5", "-2", "two"})
    EXPECT_THAT(message_of({"d.csv", "--processes", bad}), HasSubstr("--processes: allowed is"));
}

TEST(Job, HelpNamesEverySetting) {
  for (const Setting& setting : train_settings())
    EXPECT_THAT(train_help(), HasSubstr("--" + std::string(setting.name)));
}

TEST(Job, TheReadmesTableNamesEverySetting) {
  const char* source = std::getenv("DISCREET_SOURCE");
  ASSERT_TRUE(source) << "CTest sets DISCREET_SOURCE";
  std::ifstream file(std::filesystem::path(source) / "README.md");
  const std::string readme((std::istreambuf_iterator<char>(file)), {});
  for (const Setting& setting : train_settings()) {
    EXPECT_THAT(readme, HasSubstr("| `--" + std::string(setting.name))) << setting.name;
    EXPECT_THAT(readme, HasSubstr("| " + std::string(setting.help) + " |")) << setting.name;
  }
}

}  // namespace
}  // namespace discreet
