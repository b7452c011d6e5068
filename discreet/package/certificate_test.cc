#include "discreet/package/certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "discreet/package/testing.h"

namespace discreet {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_package::error_of;
using testing_package::right_certificate;

TEST(CertificateTest, ReadsWhatItWrote) {
  for (bool column : {false, true}) {
    Certificate certificate = right_certificate();
    if (column) certificate.guarantee.unit = {"column", "patient", 10};
    certificate.guarantee.relation = Relation::kZeroOut;
    const std::string text = certificate_text(certificate);
    EXPECT_EQ(certificate_text(parse_certificate(text)), text);
    EXPECT_EQ(text.back(), '\n');
  }
}

TEST(CertificateTest, ItsFormIsTheDocumentedOne) {
  const Json json = right_certificate().to_json();
  std::vector<std::string> names;
  for (const auto& [name, value] : json.items()) names.push_back(name);
  EXPECT_THAT(names, ElementsAre("format", "version", "guarantee", "phases", "facts", "mechanism",
                                 "not_proven", "ledger", "software"));
  EXPECT_EQ(json["guarantee"]["relation"], "add-or-remove-one");
  EXPECT_EQ(json["guarantee"]["unit"], (Json{{"kind", "row"}}));
  EXPECT_EQ(json["phases"][1]["steps_lost"], 4);
  EXPECT_FALSE(json["phases"][0].contains("steps"));
}

// Every field in turn is taken away, given another type, and joined by one that does not exist.
TEST(CertificateTest, EveryFieldIsNeededAndNoOtherIsRead) {
  const Json whole = Json::parse(certificate_text(right_certificate()));
  int faults = 0;
  const std::function<void(const Json::json_pointer&)> visit = [&](const Json::json_pointer& place) {
    const Json& here = whole[place];
    if (here.is_object() && place.to_string() != "/software") {
      Json more = whole;
      more[place]["surprise"] = 1;
      const auto error = error_of([&] { Certificate::from_json(more); });
      ASSERT_TRUE(error) << place << " accepts an unknown field";
      EXPECT_THAT(error->what(), HasSubstr("privacy.json"));
      for (const auto& [name, value] : here.items()) {
        if (name == "clipping" && place.to_string() != "/mechanism") continue;  // may be missing
        Json less = whole;
        less[place].erase(name);
        const auto missing = error_of([&] { Certificate::from_json(less); });
        ASSERT_TRUE(missing) << place << "/" << name << " may be missing";
        EXPECT_EQ(missing->kind(), ErrorKind::kDataLoss);
        EXPECT_THAT(missing->what(), HasSubstr(name));
        Json other = whole;
        other[place][name] = Json::array({Json::array()});
        EXPECT_TRUE(error_of([&] { Certificate::from_json(other); }))
            << place << "/" << name << " may have any type";
        faults += 2;
        visit(place / name);
      }
    } else if (here.is_array()) {
      for (size_t item = 0; item < here.size(); ++item) visit(place / item);
    }
  };
  visit(Json::json_pointer());
  EXPECT_GT(faults, 90);
}

TEST(CertificateTest, OneWithoutTheWayOfClippingIsOfBeforeThereWasAChoice) {
  Json json = right_certificate().to_json();
  for (const char* mode : {"flat", "per-layer", "normalised", "adaptive"}) {
    json["phases"][1]["clipping"] = mode;
    const Certificate read = Certificate::from_json(json);
    EXPECT_EQ(to_string(*read.phases[1].clipping), mode);
    EXPECT_THAT(check_certificate(read), IsEmpty());  // none changes what is accounted
    EXPECT_EQ(read.to_json(), json);
  }
  json["phases"][1].erase("clipping");
  const Certificate older = Certificate::from_json(json);
  EXPECT_FALSE(older.phases[1].clipping);
  EXPECT_THAT(check_certificate(older), IsEmpty());
  EXPECT_EQ(older.to_json(), json);
  json["phases"][1]["clipping"] = "ghost";
  EXPECT_THAT(error_of([&] { Certificate::from_json(json); })->what(),
              HasSubstr("phases[1].clipping must be flat, per-layer, normalised or adaptive"));
}

TEST(CertificateTest, ValuesOutsideTheirRangeAreRefused) {
  const Json whole = Json::parse(certificate_text(right_certificate()));
  const std::pair<const char*, Json> faults[] = {
      {"/format", "discreet-package"},
      {"/version", 0},
      {"/version", 1.5},
      {"/guarantee/epsilon", -1},
      {"/guarantee/delta", 1.5},
      {"/guarantee/relation", "swap"},
      {"/guarantee/unit/kind", "person"},
      {"/phases/0/accountant", "clt"},
      {"/phases/1/epsilon_lower", -1},
      {"/phases/0/attempts", 0},
      {"/phases/0/event/kind", "composedd"},
      {"/phases/1/sample_rate", 1.1},
      {"/phases/1/steps", 1.5},
      {"/phases/1/steps", 1e300},
      {"/phases/1/steps_lost", -1},
      {"/phases/1/clipping", "ghost"},
      {"/phases/1/clipping", 1},
      {"/phases/0/clipping", "flat"},
      {"/facts/0/how", "guessed"},
  };
  for (const auto& [place, value] : faults) {
    Json json = whole;
    json[Json::json_pointer(place)] = value;
    const auto error = error_of([&] { Certificate::from_json(json); });
    ASSERT_TRUE(error) << place << " " << value;
    EXPECT_EQ(error->kind(), ErrorKind::kDataLoss) << place;
  }
  Json newer = whole;
  newer["version"] = 2;
  EXPECT_EQ(error_of([&] { Certificate::from_json(newer); })->kind(), ErrorKind::kUnsupported);
  for (const char* text : {"", "{", "[]", "null", "\"privacy\"", "{\"format\": \"discreet-certificate\"}"}) {
    EXPECT_EQ(error_of([&] { parse_certificate(text); })->kind(), ErrorKind::kDataLoss) << text;
  }
}

TEST(CertificateCheckTest, RightNumbersHaveNoProblems) {
  EXPECT_THAT(check_certificate(right_certificate()), IsEmpty());
  // Without sampling the event may leave the sampling out.
  Certificate full = right_certificate();
  full.phases.erase(full.phases.begin());
  Phase& training = full.phases[0];
  training.sample_rate = 1;
  training.event = Event::repeated(Event::gaussian(1.1), 300);
  training.accountant = Accountant::kRdp;
  training.epsilon_lower.reset();
  training.epsilon = rdp_epsilon(training.event, Relation::kAddOrRemoveOne, training.delta);
  full.guarantee.epsilon = training.epsilon;
  full.guarantee.delta = training.delta;
  EXPECT_THAT(check_certificate(full), IsEmpty());
}

TEST(CertificateCheckTest, AnotherVersionsBoundsMayHaveBeenALittleWider) {
  Certificate wider = right_certificate();
  wider.phases[1].epsilon += 5e-4;
  wider.guarantee.epsilon += 5e-4;
  *wider.phases[1].epsilon_lower -= 5e-4;
  EXPECT_THAT(check_certificate(wider), IsEmpty());
}

TEST(CertificateCheckTest, EveryNumberMustFollowFromTheEvents) {
  const std::pair<const char*, std::function<void(Certificate&)>> lies[] = {
      {"guarantee.epsilon", [](Certificate& c) { c.guarantee.epsilon *= 1 - 1e-6; }},
      {"guarantee.epsilon", [](Certificate& c) { c.guarantee.epsilon *= 1 + 1e-6; }},
      {"guarantee.delta", [](Certificate& c) { c.guarantee.delta -= 1e-9; }},
      {"guarantee.epsilon", [](Certificate& c) { c.phases[0].attempts = 1; }},
      {"guarantee.delta", [](Certificate& c) { c.phases[0].attempts = 3; }},
      {"guarantee.epsilon", [](Certificate& c) { c.phases.erase(c.phases.begin()); }},
      {"phases[0].epsilon", [](Certificate& c) { c.phases[0].event = Event::discrete_gaussian(19); }},
      {"phases[0].epsilon", [](Certificate& c) { c.guarantee.relation = Relation::kReplaceOne; }},
      {"phases[1].epsilon",
       [](Certificate& c) {
         c.phases[1].epsilon -= 0.1;
         c.guarantee.epsilon -= 0.1;
       }},
      {"phases[1].epsilon",
       [](Certificate& c) {
         c.phases[1].epsilon -= 1e-5;
         c.guarantee.epsilon -= 1e-5;
       }},
      {"phases[1].epsilon",
       [](Certificate& c) {
         c.phases[1].epsilon += 0.02;
         c.guarantee.epsilon += 0.02;
       }},
      {"phases[1].epsilon_lower", [](Certificate& c) { *c.phases[1].epsilon_lower -= 0.02; }},
      {"phases[1].epsilon", [](Certificate& c) { c.phases[1].accountant = Accountant::kRdp; }},
      {"phases[1].epsilon_lower", [](Certificate& c) { *c.phases[1].epsilon_lower *= 1.00001; }},
      {"phases[1].epsilon_lower", [](Certificate& c) { c.phases[1].epsilon_lower.reset(); }},
      {"phases[1].sample_rate", [](Certificate& c) { c.phases[1].sample_rate = 0.02; }},
      {"phases[1].sample_rate", [](Certificate& c) { c.phases[1].noise_multiplier = 1.2; }},
      {"phases[1].sample_rate", [](Certificate& c) { c.phases[1].steps = 301; }},
      {"phases[1].steps_lost", [](Certificate& c) { c.phases[1].steps_lost = 301; }},
      {"phases[1] cannot be accounted", [](Certificate& c) { c.phases[1].delta = 0; }},
      {"phases is empty", [](Certificate& c) { c.phases.clear(); }},
  };
  for (const auto& [what, lie] : lies) {
    Certificate certificate = right_certificate();
    lie(certificate);
    EXPECT_THAT(check_certificate(certificate), Contains(HasSubstr(what)));
  }
}

}  // namespace
}  // namespace discreet
