// The card of a model and its data set (card.json; docs/card.md): facts that the run knows, each with how it
// was obtained, and statements that only the owner can make, "not stated" where they made none.
//
// Everything in a card is public with the package, so a fact may enter only if it was declared, does not
// depend on the data, or was released under the budget; make_card refuses any other word for "how". Fields
// follow Mitchell and others, "Model Cards for Model Reporting" (2019), and Gebru and others, "Datasheets for
// Datasets" (2021).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "discreet/base/json.h"
#include "discreet/package/certificate.h"

namespace discreet {

inline constexpr char kNotStated[] = "not stated";

struct CardFact {
  std::string fact;  // "number of records"
  Json value;        // a number, a string or an array of strings
  std::string how;   // "declared", "independent" (of the data) or "private" (released under the budget)
};

struct CardFacts {
  std::string name;  // of the model, chosen by its owner
  std::string task;  // "classification" or "regression"
  std::vector<CardFact> model, data_set;
};

// A question that only the owner can answer: section "model" or "data_set", field as in card.json and in a
// job file ([card.model] intended_use = "..."), title as on the page.
struct CardQuestion {
  std::string section, field, title;
};
const std::vector<CardQuestion>& card_questions();

// Throws as make_card does for these answers: to be called before training, so that a misspelt field costs
// nothing.
void check_card_answers(const Json& answers);

// `answers`: {"model": {field: words}, "data_set": {field: words}}, or null for none. The guarantee is copied
// from the certificate. Throws kInvalidArgument for an unknown section or field (with the nearest name), for
// an answer that is not a string, and for a fact whose `how` is not one of the three words.
Json make_card(const CardFacts& facts, const Json& answers, const Certificate& certificate);

}  // namespace discreet
