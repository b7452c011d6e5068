#include "discreet/report/card.h"

#include <algorithm>

#include "discreet/base/error.h"
#include "discreet/base/text.h"

namespace discreet {
namespace {

Json facts_to_json(const std::vector<CardFact>& facts) {
  Json all = Json::array();
  for (const CardFact& fact : facts) {
    if (fact.how != "declared" && fact.how != "independent" && fact.how != "private") {
      throw Error(ErrorKind::kInvalidArgument, "card: how the fact '" + fact.fact +
                                                   "' was obtained must be declared, independent or private");
    }
    all.push_back(Json{{"fact", fact.fact}, {"value", fact.value}, {"how", fact.how}});
  }
  return all;
}

[[noreturn]] void unknown(const std::string& kind, const std::string& name,
                          const std::vector<std::string>& names) {
  const std::string close = nearest(name, names);
  std::string allowed;
  for (const std::string& one : names) allowed += (allowed.empty() ? "" : ", ") + one;
  throw Error(ErrorKind::kInvalidArgument, "card: unknown " + kind + " '" + name + "'" +
                                               (close.empty() ? "" : "; did you mean '" + close + "'?") +
                                               " (allowed: " + allowed + ")");
}

Json answers_of(const std::string& section, const Json& answers) {
  Json all = Json::object();
  std::vector<std::string> fields;
  for (const CardQuestion& question : card_questions()) {
    if (question.section != section) continue;
    fields.push_back(question.field);
    all[question.field] = kNotStated;
  }
  if (!answers.is_object() || !answers.contains(section)) return all;
  const Json& given = answers.at(section);
  if (!given.is_object())
    throw Error(ErrorKind::kInvalidArgument, "card: '" + section + "' must be a table of texts");
  for (const auto& [field, words] : given.items()) {
    if (!all.contains(field)) unknown("field of '" + section + "'", field, fields);
    if (!words.is_string()) {
      throw Error(ErrorKind::kInvalidArgument, "card: '" + section + "." + field + "' must be a text");
    }
    if (!words.get_ref<const std::string&>().empty()) all[field] = words;
  }
  return all;
}

}  // namespace

const std::vector<CardQuestion>& card_questions() {
  static const std::vector<CardQuestion> questions = {
      {"model", "intended_use", "Intended use"},
      {"model", "intended_users", "Intended users"},
      {"model", "out_of_scope_use", "Uses it is not meant for"},
      {"model", "limitations", "Known limitations"},
      {"model", "ethical_considerations", "Ethical considerations"},
      {"model", "owner", "Who is responsible"},
      {"model", "contact", "Contact"},
      {"model", "licence", "Licence of the model"},
      {"data_set", "source", "Where the records come from"},
      {"data_set", "collection", "How they were collected"},
      {"data_set", "period", "When they were collected"},
      {"data_set", "people", "Whom they describe"},
      {"data_set", "legal_basis", "Consent or legal basis"},
      {"data_set", "known_gaps", "Who or what is missing"},
      {"data_set", "licence", "Licence of the data"},
      {"data_set", "retention", "How long they are kept"},
  };
  return questions;
}

void check_card_answers(const Json& answers) {
  if (!answers.is_null() && !answers.is_object()) {
    throw Error(ErrorKind::kInvalidArgument, "card: must have the tables model and data_set");
  }
  if (answers.is_object()) {
    for (const auto& [section, ignored] : answers.items()) {
      if (section != "model" && section != "data_set") unknown("section", section, {"model", "data_set"});
    }
  }
  answers_of("model", answers);
  answers_of("data_set", answers);
}

Json make_card(const CardFacts& facts, const Json& answers, const Certificate& certificate) {
  if (facts.task != "classification" && facts.task != "regression") {
    throw Error(ErrorKind::kInvalidArgument, "card: task must be classification or regression");
  }
  check_card_answers(answers);
  return Json{
      {"format", "discreet-card"},
      {"version", 1},
      {"name", facts.name},
      {"task", facts.task},
      {"guarantee", certificate.to_json().at("guarantee")},
      {"model", Json{{"facts", facts_to_json(facts.model)}, {"answers", answers_of("model", answers)}}},
      {"data_set",
       Json{{"facts", facts_to_json(facts.data_set)}, {"answers", answers_of("data_set", answers)}}},
  };
}

}  // namespace discreet
