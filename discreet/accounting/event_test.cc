#include "discreet/accounting/event.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "discreet/base/error.h"
#include "discreet/base/random.h"
#include "discreet/base/sampling.h"

namespace discreet {
namespace {

std::string refusal(const std::string& text) {
  try {
    Event::from_json(Json::parse(text));
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error.what();
  }
  ADD_FAILURE() << "accepted: " << text;
  return "";
}

Event example() {
  return Event::composed(
      {Event::composed({Event::discrete_gaussian(12.5), Event::epsilon_delta(0, 1e-7)}),
       Event::repeated(Event::poisson_sampled(0.01, Event::gaussian(1.1)), int64_t{1} << 53)});
}

TEST(Event, JsonIsAsDocumentedAndComesBack) {
  EXPECT_EQ(
      example().to_json().dump(),
      R"({"kind":"composed","events":[{"kind":"composed","events":[)"
      R"({"kind":"discrete_gaussian","noise_multiplier":12.5},{"kind":"epsilon_delta","epsilon":0.0,"delta":1e-07}]},)"
      R"({"kind":"repeated","count":9007199254740992,"event":{"kind":"poisson_sampled","sample_rate":0.01,)"
      R"("event":{"kind":"gaussian","noise_multiplier":1.1}}}]})");
  EXPECT_EQ(Event::from_json(Json::parse(example().to_json().dump())), example());
}

// One of each kind that is not in example().
std::vector<std::pair<Event, std::string>> others() {
  const Event gaussian = Event::gaussian(2);
  const std::string inner = R"("event":{"kind":"gaussian","noise_multiplier":2.0}})";
  return {
      {Event::matrix_gaussian(8.5, 3),
       R"({"kind":"matrix_gaussian","noise_multiplier":8.5,"sensitivity":3.0})"},
      {Event::laplace(1.5), R"({"kind":"laplace","noise_multiplier":1.5})"},
      {Event::discrete_laplace(2.5, 4), R"({"kind":"discrete_laplace","scale":2.5,"sensitivity":4})"},
      {Event::randomized_response(1.25, 7),
       R"({"kind":"randomized_response","epsilon":1.25,"categories":7})"},
      {Event::exponential_mechanism(0.5), R"({"kind":"exponential_mechanism","epsilon":0.5})"},
      {Event::fixed_size_sampled(10, 600, gaussian),
       R"({"kind":"fixed_size_sampled","batch_size":10,"sample_size":600,)" + inner},
      {Event::thresholded_selection(gaussian, 1e-7),
       R"({"kind":"thresholded_selection","delta":1e-07,)" + inner},
      {Event::repeat_and_select(gaussian, Trials::poisson(4.5)),
       R"({"kind":"repeat_and_select","distribution":"poisson","mean":4.5,)" + inner},
      {Event::repeat_and_select(gaussian, Trials::geometric(0.25)),
       R"({"kind":"repeat_and_select","distribution":"negative_binomial","eta":1.0,"gamma":0.25,)" + inner}};
}

TEST(Event, EveryKindComesBackFromItsJson) {
  for (const auto& [event, text] : others()) {
    EXPECT_EQ(event.to_json().dump(), text);
    EXPECT_EQ(Event::from_json(Json::parse(text)), event) << text;
    EXPECT_NE(event, Event::gaussian(2));
    const Json good = Json::parse(text);
    Json json = good;
    json["free"] = true;
    EXPECT_THROW(Event::from_json(json), Error) << text;
    for (const auto& [key, value] : good.items()) {
      json = good;
      json.erase(key);
      EXPECT_THROW(Event::from_json(json), Error) << text << " without " << key;
      json = good;
      json[key] = nullptr;
      EXPECT_THROW(Event::from_json(json), Error) << text << " with null for " << key;
      if (!value.is_number()) continue;
      json[key] = -2;
      EXPECT_THROW(Event::from_json(json), Error) << text << " with -2 for " << key;
    }
  }
}

TEST(Event, NumbersComeBackBitForBit) {
  RandomStream random = RandomStream::for_tests(1);
  for (int i = 0; i < 2000; ++i) {
    const double noise = std::exp(std::ldexp(static_cast<double>(random.next()), -60) - 8);
    const double rate = std::ldexp(static_cast<double>(random.next()), -64);
    const Event event = Event::poisson_sampled(rate, Event::gaussian(noise));
    ASSERT_EQ(Event::from_json(Json::parse(event.to_json().dump())), event);
  }
}

TEST(Event, ValuesDifferWhereTheyDiffer) {
  EXPECT_NE(Event::gaussian(1), Event::gaussian(1.5));
  EXPECT_NE(Event::gaussian(1), Event::discrete_gaussian(1));
  EXPECT_NE(Event::repeated(Event::gaussian(1), 2), Event::repeated(Event::gaussian(1), 3));
  EXPECT_NE(Event::composed({}), Event::composed({Event::gaussian(1)}));
  EXPECT_NE(Event::discrete_laplace(8, 1), Event::discrete_laplace(8, 2));
  EXPECT_NE(Event::randomized_response(1, 2), Event::randomized_response(1, 3));
  EXPECT_NE(Event::matrix_gaussian(8, 1), Event::matrix_gaussian(8, 2));
  EXPECT_NE(Event::fixed_size_sampled(1, 2, Event::gaussian(1)),
            Event::fixed_size_sampled(1, 3, Event::gaussian(1)));
  EXPECT_NE(Event::repeat_and_select(Event::gaussian(1), Trials::negative_binomial(2, 0.5)),
            Event::repeat_and_select(Event::gaussian(1), Trials::negative_binomial(2, 0.4)));
  EXPECT_NE(Event::epsilon_delta(1, 0), Event::epsilon_delta(1, 1e-9));
}

TEST(Event, ArgumentsHaveRanges) {
  const double nan = std::nan(""), inf = std::numeric_limits<double>::infinity();
  for (const double bad : {0., -1., 1e-7, 1e10, nan, inf}) {
    EXPECT_THROW(Event::gaussian(bad), Error) << bad;
    EXPECT_THROW(Event::discrete_gaussian(bad), Error) << bad;
  }
  for (const double bad : {-1e-9, 1 + 1e-9, nan, inf})
    EXPECT_THROW(Event::poisson_sampled(bad, Event::gaussian(1)), Error);
  for (const int64_t bad : {int64_t{-1}, (int64_t{1} << 53) + 1})
    EXPECT_THROW(Event::repeated(Event::gaussian(1), bad), Error);
  for (const double bad : {-1e-9, nan, inf}) EXPECT_THROW(Event::epsilon_delta(bad, 0), Error);
  for (const double bad : {-1e-9, 1., nan, inf}) {
    EXPECT_THROW(Event::epsilon_delta(1, bad), Error);
    EXPECT_THROW(Event::thresholded_selection(Event::gaussian(1), bad), Error);
  }
  for (const double bad : {0., -1., 1e-7, 2e9, nan, inf}) {
    EXPECT_THROW(Event::laplace(bad), Error) << bad;
    EXPECT_THROW(Event::discrete_laplace(bad, 1), Error) << bad;
    EXPECT_THROW(Event::matrix_gaussian(bad, 1), Error) << bad;
    EXPECT_THROW(Event::matrix_gaussian(1, bad), Error) << bad;
  }
  for (const double bad : {0., 1e-10, 1001., nan, inf}) {
    EXPECT_THROW(Event::randomized_response(bad, 2), Error) << bad;
    EXPECT_THROW(Event::exponential_mechanism(bad), Error) << bad;
  }
  for (const int64_t bad : {-1, 0, 1001}) EXPECT_THROW(Event::discrete_laplace(1, bad), Error) << bad;
  for (const int64_t bad : {-1, 0, 1}) EXPECT_THROW(Event::randomized_response(1, bad), Error) << bad;
  EXPECT_THROW(Event::fixed_size_sampled(0, 0, Event::gaussian(1)), Error);
  EXPECT_THROW(Event::fixed_size_sampled(3, 2, Event::gaussian(1)), Error);
  EXPECT_THROW(Event::fixed_size_sampled(-1, 2, Event::gaussian(1)), Error);
  for (const double bad : {0., 1e-4, 2e9, nan}) EXPECT_THROW(Trials::poisson(bad), Error) << bad;
  for (const double bad : {0., 1., -0.5, nan}) EXPECT_THROW(Trials::geometric(bad), Error) << bad;
  for (const double bad : {-1., 2e6, nan}) EXPECT_THROW(Trials::negative_binomial(bad, 0.5), Error) << bad;
}

TEST(Event, RefusesMalformedJson) {
  EXPECT_NE(refusal(R"({"kind":"staircase","scale":1})").find("known are gaussian"), std::string::npos);
  EXPECT_NE(refusal(R"({"kind":"gaussian"})").find("noise_multiplier"), std::string::npos);
  EXPECT_NE(refusal(R"({"kind":"gaussian","noise_multiplier":-1})").find("[1e-6, 1e9]"), std::string::npos);
  for (
      const char* text :
      {"null",
       "[]",
       "1",
       "\"gaussian\"",
       "{}",
       R"({"kind":null})",
       R"({"kind":1})",
       R"({"kind":"Gaussian","noise_multiplier":1})",
       R"({"noise_multiplier":1})",
       R"({"kind":"gaussian","noise_multiplier":"1"})",
       R"({"kind":"gaussian","noise_multiplier":null})",
       R"({"kind":"gaussian","noise_multiplier":true})",
       R"({"kind":"gaussian","noise_multiplier":1e309})",
       R"({"kind":"gaussian","noise_multiplier":1,"free":true})",
       R"({"kind":"gaussian","noise_multiplier":1,"sample_rate":0.1})",
       R"({"kind":"poisson_sampled","sample_rate":0.1})",
       R"({"kind":"poisson_sampled","event":{"kind":"gaussian","noise_multiplier":1}})",
       R"({"kind":"poisson_sampled","sample_rate":2,"event":{"kind":"gaussian","noise_multiplier":1}})",
       R"({"kind":"poisson_sampled","sample_rate":0.1,"event":[]})",
       R"({"kind":"repeated","count":1.5,"event":{"kind":"gaussian","noise_multiplier":1}})",
       R"({"kind":"repeated","count":1.0,"event":{"kind":"gaussian","noise_multiplier":1}})",
       R"({"kind":"repeated","count":-1,"event":{"kind":"gaussian","noise_multiplier":1}})",
       R"({"kind":"repeated","count":9007199254740993,"event":{"kind":"gaussian","noise_multiplier":1}})",
       R"({"kind":"repeated","count":18446744073709551615,"event":{"kind":"gaussian","noise_multiplier":1}})",
       R"({"kind":"repeated","count":1e30,"event":{"kind":"gaussian","noise_multiplier":1}})",
       R"({"kind":"repeated","count":"3","event":{"kind":"gaussian","noise_multiplier":1}})",
       R"({"kind":"repeated","count":1})",
       R"({"kind":"composed"})",
       R"({"kind":"composed","events":{}})",
       R"({"kind":"composed","events":[1]})",
       R"({"kind":"composed","events":[{"kind":"composed"}]})",
       R"({"kind":"epsilon_delta","epsilon":1})",
       R"({"kind":"epsilon_delta","epsilon":1,"delta":1})",
       R"({"kind":"epsilon_delta","epsilon":1e999,"delta":0})"}) {
    try {
      Event::from_json(Json::parse(text));
      ADD_FAILURE() << "accepted: " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument) << text;
    } catch (const Json::exception&) {  // 1e309: not a number that JSON's reader takes
    }
  }
}

TEST(Event, RefusesDeepTrees) {
  const auto nested = [](int depth) {
    std::string text = R"({"kind":"composed","events":[]})";
    for (int i = 1; i < depth; ++i) text = R"({"kind":"composed","events":[)" + text + "]}";
    return text;
  };
  EXPECT_NO_THROW(Event::from_json(Json::parse(nested(Event::kMaxDepth))));
  EXPECT_NE(refusal(nested(Event::kMaxDepth + 1)).find("32 levels"), std::string::npos);
  refusal(nested(2000));
  Event event = Event::composed({});
  for (int i = 1; i < Event::kMaxDepth; ++i) event = Event::repeated(event, 1);
  EXPECT_EQ(Event::from_json(event.to_json()), event);
  EXPECT_THROW(Event::repeated(event, 1), Error);
}

TEST(Event, RefusesTooManyEvents) {
  const auto list = [](int64_t size) {
    std::string text = R"({"kind":"composed","events":[)";
    for (int64_t i = 1; i < size; ++i)
      text += std::string(i > 1 ? "," : "") + R"({"kind":"gaussian","noise_multiplier":1.0})";
    return text + "]}";
  };
  EXPECT_NO_THROW(Event::from_json(Json::parse(list(Event::kMaxEvents))));
  EXPECT_NE(refusal(list(Event::kMaxEvents + 1)).find("more than 10000 events"), std::string::npos);
  refusal(list(200000));
}

// Random damage to a good certificate's event: either an Error, or an event that says the same when written.
TEST(Event, DamagedJsonIsRefusedOrMeansWhatItSays) {
  RandomStream random = RandomStream::for_tests(2);
  const std::string good = example().to_json().dump();
  const std::string alphabet = "{}[]\",:0123456789.eE+-truefalsn\\ \x80kdg";
  int accepted = 0;
  for (int i = 0; i < 30000; ++i) {
    std::string text = good;
    for (uint64_t edits = 1 + uniform_below(random, 3); edits > 0; --edits) {
      const size_t at = uniform_below(random, text.size());
      const char other = alphabet[uniform_below(random, alphabet.size())];
      switch (uniform_below(random, 4)) {
        case 0: text[at] = other; break;
        case 1: text.insert(at, 1, other); break;
        case 2: text.erase(at, 1 + uniform_below(random, 4)); break;
        default: text.insert(at, text.substr(uniform_below(random, text.size()), 20));
      }
    }
    const Json json = Json::parse(text, nullptr, false);
    if (json.is_discarded()) continue;
    try {
      const Event event = Event::from_json(json);
      ASSERT_EQ(Event::from_json(event.to_json()), event) << text;
      ++accepted;
    } catch (const Error& error) {
      ASSERT_EQ(error.kind(), ErrorKind::kInvalidArgument);
    }
  }
  EXPECT_GT(accepted, 100);  // digits of numbers were changed
}

}  // namespace
}  // namespace discreet
