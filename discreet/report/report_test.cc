#include "discreet/report/report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <functional>

#include "discreet/base/error.h"
#include "discreet/base/file.h"
#include "discreet/report/page_check.h"
#include "discreet/report/test_documents.h"

namespace discreet {
namespace {

using testing_documents::certificate;

std::string render(const Certificate& one) {
  return report_html(one, testing_documents::card(one), Json::object());
}

bool has(const std::string& page, const std::string& words) {
  return page.find(words) != std::string::npos;
}

// A run whose statistics were paid for twice and which lost three steps, for one person's rows, with a test
// seed.
Certificate interrupted() {
  Certificate one = certificate(Relation::kReplaceOne, 6);
  one.guarantee.is_private = false;
  one.guarantee.unit = {"column", "patient_id", 8};
  one.phases[0].attempts = 2;
  one.phases[1].steps_lost = 3;
  one.guarantee.epsilon += one.phases[0].epsilon;
  one.guarantee.delta += one.phases[0].delta;
  return one;
}

TEST(Report, IsWellFormedAndFetchesNothing) {
  for (const Relation relation : {Relation::kAddOrRemoveOne, Relation::kReplaceOne, Relation::kZeroOut}) {
    const std::string page = render(certificate(relation));
    EXPECT_EQ(page_check::problem(page), "");
    EXPECT_TRUE(has(page, std::string(to_string(relation))));
  }
  EXPECT_EQ(page_check::problem(render(interrupted())), "");
}

// Every number on the page is one of the certificate or card (or an attempt times its cost), and what is
// shown for epsilon and delta, read back, is not below it.
TEST(Report, NoNumberDisagreesWithTheCertificate) {
  for (const Certificate& one : {certificate(), interrupted(), certificate(Relation::kZeroOut, 0.6)}) {
    std::vector<double> known;
    const std::function<void(const Json&)> collect = [&](const Json& json) {
      if (json.is_number()) known.push_back(json.get<double>());
      if (json.is_structured()) {
        for (const Json& inside : json) collect(inside);
      }
    };
    collect(one.to_json());
    collect(testing_documents::card(one));
    for (const Phase& phase : one.phases) {
      known.push_back(static_cast<double>(phase.attempts) * phase.epsilon);
      known.push_back(static_cast<double>(phase.attempts) * phase.delta);
    }
    const auto numbers = page_check::numbers(render(one));
    EXPECT_GE(numbers.size(), 15u);
    size_t epsilons = 0;
    for (const auto& [exact, words] : numbers) {
      EXPECT_NE(std::find(known.begin(), known.end(), exact), known.end()) << words;
      if (exact == one.guarantee.epsilon) {
        ++epsilons;
        EXPECT_GE(std::stod(words), exact * (1 - 1e-11));
        EXPECT_LE(std::stod(words), exact * 1.001 + 1e-4);
      }
    }
    EXPECT_EQ(epsilons, one.guarantee.is_private ? 4u : 3u);  // lead, key fact, sum, evaluator's table
  }
}

TEST(Report, SaysWhatTheGuaranteeMeansForOnePerson) {
  Certificate one = certificate();
  // A guarantee of epsilon 3 with a tiny delta has a ceiling of 95.3 %, as anyone can compute.
  one.phases.resize(1);
  one.phases[0].event = Event::epsilon_delta(3, 0);
  one.phases[0].epsilon = 3;
  one.phases[0].delta = 1e-9;
  one.guarantee.epsilon = 3;
  one.guarantee.delta = 1e-9;
  const std::string page = render(one);
  EXPECT_TRUE(has(page, "at most 95.3\u00A0% sure"));
  EXPECT_TRUE(has(page, "that of epsilon 6: from 50 % to at most 99.8\u00A0%"));
  EXPECT_TRUE(has(page, "Delta, 1 in 1,000,000,000, is a small allowance on top"));
}

TEST(Report, NamesTheUnit) {
  const std::string rows = render(certificate());
  EXPECT_TRUE(has(rows, "one row"));
  EXPECT_TRUE(has(rows, "If one person has several rows"));
  const std::string people = render(interrupted());
  EXPECT_TRUE(
      has(people, "All rows with the same value of “patient_id” count as one person’s; at most 8 of them"));
  EXPECT_FALSE(has(people, "If one person has several rows"));
}

TEST(Report, ATestSeedIsSaidAloudAndOnlyThen) {
  EXPECT_TRUE(has(render(interrupted()), "NOT PRIVATE: made with a test seed"));
  EXPECT_TRUE(has(render(interrupted()), "It promises nobody anything"));
  EXPECT_FALSE(has(render(certificate()), "NOT PRIVATE"));
}

// By the number that was declared or charged, which the certificate tells: one in it hides no single record.
TEST(Report, TellsHowGradientsWereClipped) {
  Certificate one = certificate();
  const std::string older = render(one);
  for (const auto& [mode, words] :
       {std::pair(ClippingMode::kFlat, "cut to a fixed length, so"),
        std::pair(ClippingMode::kPerLayer, "cut to a fixed length, layer by layer"),
        std::pair(ClippingMode::kNormalised, "be it longer or shorter"),
        std::pair(ClippingMode::kAdaptive, "follows a noisy count")}) {
    one.phases[1].clipping = mode;
    const std::string page = render(one);
    EXPECT_TRUE(has(page, words)) << to_string(mode);
    EXPECT_TRUE(has(page, ">" + std::string(to_string(mode)) + "<"));
    EXPECT_EQ(has(page, "Clip of the first step"), mode == ClippingMode::kAdaptive);
    EXPECT_EQ(page == older, mode == ClippingMode::kFlat);  // what one without the field says
  }
}

TEST(Report, ADeltaThatIsLargeForSoManyUnitsIsSaid) {
  Certificate one = certificate();  // delta 1e-5
  EXPECT_FALSE(has(render(one), "Delta is large"));
  for (const auto& [detail, said] : {std::pair{"99999.5", false},
                                     {"100001", true},
                                     {"250 with noise", false},
                                     {"250000 with noise", true},
                                     {"unknown", false}}) {
    one.facts.back() = {"number of units in training", "private", detail};
    const std::string page = render(one);
    EXPECT_EQ(has(page, "Delta is large for so many units"), said) << detail;
    EXPECT_EQ(page_check::problem(page), "");
  }
}

TEST(Report, LostStepsAndRepeatedAttemptsAreTold) {
  const std::string page = render(interrupted());
  EXPECT_TRUE(has(page, "<data value=\"3\">3</data> steps were charged and then lost"));
  EXPECT_TRUE(has(page, "The statistics phase was begun 2 times"));
  EXPECT_FALSE(has(render(certificate()), "then lost"));
  // The table has what both attempts cost together, so that its rows add up.
  const double both = 2 * interrupted().phases[0].epsilon;
  const auto numbers = page_check::numbers(page);
  EXPECT_TRUE(
      std::any_of(numbers.begin(), numbers.end(), [&](const auto& one) { return one.first == both; }));
}

TEST(Report, RefusesACertificateThatDoesNotAddUp) {
  Certificate one = certificate();
  one.guarantee.epsilon = 1;
  try {
    render(one);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kDataLoss);
  }
  one = certificate();
  one.phases[1].sample_rate = 0.01;  // the accountant's sampler is another
  EXPECT_THROW(render(one), Error);
}

TEST(Report, AnswersThatTheCertificateLacksAreShownAsMissing) {
  const auto missing = [](const std::string& page) {
    size_t count = 0;
    for (size_t at = 0; (at = page.find(">Missing<", at)) != std::string::npos; ++at) ++count;
    return count;
  };
  Certificate one = certificate();
  const size_t before = missing(render(one));
  one.mechanism.generator = "";
  one.mechanism.floating_point = "";
  EXPECT_EQ(missing(render(one)), before + 2);
}

TEST(Report, TellsTheLayersOfTheModelAndNoFactTwice) {
  const Certificate one = certificate();
  const Json model = Json::parse(
      R"({"architecture": {"fixed": [{"type": "scattering"}], "layers": [{"type": "linear"}, {"type": "tanh"}]}})");
  const std::string page = report_html(one, testing_documents::card(one), model);
  EXPECT_TRUE(has(page, "scattering (fixed), linear, tanh"));
  // "number of records" is in the certificate's facts and in the card; the page has the certificate's.
  EXPECT_EQ(page.find("Number of records"), page.rfind("Number of records"));
}

TEST(Report, RefusesACardOfAnotherForm) {
  const Certificate one = certificate();
  for (const char* card : {"{}", R"({"name": 7})", R"({"name": "x", "model": {}, "data_set": {}})"}) {
    try {
      report_html(one, Json::parse(card), Json::object());
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kDataLoss);
    }
  }
}

TEST(Report, HostileWordsStayWords) {
  const std::string hostile =
      "</title></style><script>alert('x')</script><img src=\"x\" onerror=\"y\">&\x01\xFF";
  Certificate one = interrupted();
  one.guarantee.unit.column = hostile;
  one.facts = {{hostile, "declared", hostile}};
  one.mechanism = {hostile, hostile, hostile, hostile, hostile};
  one.not_proven = {hostile};
  one.ledger = {hostile, hostile};
  one.software = {{hostile, hostile}};
  CardFacts facts{hostile,
                  "classification",
                  {{hostile, hostile, "declared"}},
                  {{"classes", {hostile, hostile}, "declared"}}};
  const Json card = make_card(facts, Json{{"model", {{"intended_use", hostile}}}}, one);
  const std::string page = report_html(one, card, Json::object());
  EXPECT_EQ(page_check::problem(page), "");
  EXPECT_FALSE(has(page, "<script"));
  EXPECT_FALSE(has(page, "<img"));
  EXPECT_FALSE(has(page, "\xFF"));
}

// For looking at: the pages are written where DISCREET_PAGES says (CONTRIBUTING.md).
TEST(Report, WritesSamplesForLookingAt) {
  const char* folder = std::getenv("DISCREET_PAGES");
  if (folder == nullptr) GTEST_SKIP() << "set DISCREET_PAGES to a folder to get sample pages";
  const std::filesystem::path path(folder);
  write_file(path / "report.html", render(certificate(Relation::kAddOrRemoveOne, 2)));
  write_file(path / "interrupted.html", render(interrupted()));
  write_file(path / "owner.html", owner_html(testing_documents::owner_facts()), 0600);
}

}  // namespace
}  // namespace discreet
