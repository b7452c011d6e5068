#include "discreet/report/card.h"

#include <gtest/gtest.h>

#include "discreet/base/error.h"
#include "discreet/report/test_documents.h"

namespace discreet {
namespace {

using testing_documents::certificate;

std::string refusal(const CardFacts& facts, const Json& answers) {
  try {
    make_card(facts, answers, certificate());
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
    return error.what();
  }
  return "";
}

CardFacts facts() {
  return {"name", "classification", {{"architecture", "mlp", "independent"}}, {}};
}

TEST(Card, WhatTheOwnerDidNotSayIsNotStated) {
  const Json card = make_card(facts(), nullptr, certificate());
  EXPECT_EQ(card.at("format"), "discreet-card");
  EXPECT_EQ(card.at("guarantee"), certificate().to_json().at("guarantee"));
  for (const CardQuestion& question : card_questions()) {
    EXPECT_EQ(card.at(question.section).at("answers").at(question.field), "not stated");
  }
}

TEST(Card, TakesAnswers) {
  const Json card = make_card(
      facts(), Json::parse(R"({"data_set": {"people": "adults"}, "model": {"contact": ""}})"), certificate());
  EXPECT_EQ(card.at("data_set").at("answers").at("people"), "adults");
  EXPECT_EQ(card.at("model").at("answers").at("contact"), "not stated");
}

TEST(Card, RefusesWhatItDoesNotKnow) {
  EXPECT_NE(refusal(facts(), Json::parse(R"({"model": {"intended_ues": "x"}})")).find("'intended_use'"),
            std::string::npos);
  EXPECT_NE(refusal(facts(), Json::parse(R"({"data": {}})")).find("allowed: model, data_set"),
            std::string::npos);
  EXPECT_NE(refusal(facts(), Json::parse(R"({"model": {"owner": 7}})")), "");
  EXPECT_NE(refusal(facts(), Json::parse(R"({"model": "x"})")), "");
  EXPECT_NE(refusal(facts(), Json::parse("[]")), "");
  EXPECT_THROW(check_card_answers(Json::parse(R"({"model": {"intended_ues": "x"}})")), Error);
  EXPECT_NO_THROW(check_card_answers(nullptr));
  CardFacts task = facts();
  task.task = "guessing";
  EXPECT_NE(refusal(task, nullptr), "");
}

TEST(Card, OnlyDeclaredIndependentOrChargedFactsEnter) {
  CardFacts measured = facts();
  measured.data_set.push_back({"number of records", 60000, "measured"});
  EXPECT_NE(refusal(measured, nullptr).find("declared, independent or private"), std::string::npos);
}

}  // namespace
}  // namespace discreet
