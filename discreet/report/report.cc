#include "discreet/report/report.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "discreet/accounting/plan.h"
#include "discreet/base/error.h"
#include "discreet/report/card.h"
#include "discreet/report/guarantee_words.h"
#include "discreet/report/nist_questions.h"
#include "discreet/report/numbers.h"
#include "discreet/report/page.h"
#include "discreet/report/plot.h"

namespace discreet {
namespace {

std::string capitalised(std::string words) {
  if (!words.empty() && words[0] >= 'a' && words[0] <= 'z')
    words[0] = static_cast<char>(words[0] - 'a' + 'A');
  return words;
}

Html plain_value(const Json& value) {
  if (value.is_string()) return text(value.get_ref<const std::string&>());
  if (value.is_boolean()) return text(value.get<bool>() ? "yes" : "no");
  if (value.is_number() && value.get<double>() == std::floor(value.get<double>()) &&
      std::abs(value.get<double>()) < 1e15) {
    return number(value.get<double>(), with_commas(static_cast<int64_t>(value.get<double>())));
  }
  if (value.is_number()) return number(value.get<double>(), significant(value.get<double>()));
  if (!value.is_array()) return text(value.is_null() ? "—" : value.dump());
  Html all;
  for (size_t i = 0; i < value.size(); ++i) all += (i ? text(", ") : Html()) + plain_value(value[i]);
  return all;
}

Html how_badge(const std::string& how) {
  if (how == "private") return badge(Tone::kGood, "Private, charged");
  if (how == "independent") return badge(Tone::kPlain, "Independent of the data");
  return badge(Tone::kPlain, "Declared by the owner");
}

Html epsilon_cell(double value) {
  return number(value, rounded_up_to(value, 4));
}
Html delta_cell(double value) {
  return number(value, scientific_rounded_up(value));
}

std::string phase_words(const std::string& name) {
  if (name == "statistics") return "Facts needed before training: counts with noise";
  if (name == "training") return "The model’s weights: noise in every step";
  return "";
}

Html spending(const Certificate& certificate) {
  PlotBar bar;
  Html legend, notes;
  std::vector<std::vector<Html>> rows;
  for (const Phase& phase : certificate.phases) {
    const double epsilon = static_cast<double>(phase.attempts) * phase.epsilon;
    const double delta = static_cast<double>(phase.attempts) * phase.delta;
    const std::string attempts = with_commas(phase.attempts) + " times";
    rows.push_back({text(capitalised(phase.name)),
                    text(phase_words(phase.name) + (phase.attempts > 1 ? ", paid for " + attempts : "")),
                    epsilon_cell(epsilon), delta_cell(delta)});
    if (epsilon > 0) {
      const bool training = phase.name == "training";
      bar.parts.push_back({epsilon, training ? Ink::kAccent : Ink::kSecond});
      bar.description += (bar.description.empty() ? "Epsilon by phase: " : ", ") + phase.name + " " +
                         rounded_up_to(epsilon, 4);
      legend += element("li", {{"class", training ? "accent" : "second"}}, text(capitalised(phase.name)));
    }
    if (phase.attempts > 1) {
      notes +=
          paragraph("The " + phase.name + " phase was begun " + attempts +
                    ", because a run was cut short before its result was safe. Every attempt is paid for.");
    }
    if (phase.steps_lost.value_or(0) > 0) {
      notes += paragraph(
          number(static_cast<double>(*phase.steps_lost), with_commas(*phase.steps_lost)) +
          text(*phase.steps_lost == 1
                   ? " step was charged and then lost when a run was cut short. It stays charged."
                   : " steps were charged and then lost when a run was cut short. They stay charged."));
    }
  }
  rows.push_back({text("Together"), Html(), strong(epsilon_cell(certificate.guarantee.epsilon)),
                  strong(delta_cell(certificate.guarantee.delta))});
  Html all = paragraph(
      "Everything that was learned from the records cost part of a budget that was fixed before they "
      "were read. The costs are added up; none is left out because it is small.");
  if (!bar.parts.empty()) {
    all +=
        figure(element("ul", {{"class", "legend"}}, legend) + draw(bar), text("How epsilon was shared out"));
  }
  return all +
         table("What was released, and what it cost (rounded upwards)",
               {{"Phase"}, {"Released"}, {"Epsilon", true}, {"Delta", true}}, rows) +
         notes;
}

// What is done with the length of a unit's pull.
std::string length_words(const Certificate& certificate) {
  for (const Phase& phase : certificate.phases) {
    switch (phase.clipping.value_or(ClippingMode::kFlat)) {
      case ClippingMode::kFlat: break;
      case ClippingMode::kPerLayer: return "cut to a fixed length, layer by layer";
      case ClippingMode::kNormalised: return "brought to just below a fixed length, be it longer or shorter";
      case ClippingMode::kAdaptive:
        return "cut to a length, which from step to step follows a noisy count of those that were shorter, "
               "released and paid for with the sum";
    }
  }
  return "cut to a fixed length";
}

// What one step does, for the reader; the exact statements are answers in nist_table.
Html method(const Certificate& certificate) {
  Html all = paragraph(
      "In every step a fresh random group of records is drawn. How each of them would like to change "
      "the model is computed and " +
      length_words(certificate) +
      ", so that none can pull harder than that; the sum is hidden in random noise sized to that length, and "
      "only this noisy sum moves the model.");
  for (const Phase& phase : certificate.phases) {
    std::vector<std::vector<Html>> rows;
    const auto add = [&](std::string_view words, const auto& value) {
      if (value) rows.push_back({text(words), plain_value(Json(*value))});
    };
    add("Chance of a unit to be drawn in a step", phase.sample_rate);
    add("Steps charged", phase.steps);
    add("Noise multiplier (deviation of the noise / clip)", phase.noise_multiplier);
    if (phase.max_grad_norm) {
      const ClippingMode clipping = phase.clipping.value_or(ClippingMode::kFlat);
      rows.push_back({text("Clipping"), text(std::string(to_string(clipping)))});
      add(clipping == ClippingMode::kAdaptive ? "Clip of the first step (longest pull of one unit)"
                                              : "Clip (longest pull of one unit)",
          phase.max_grad_norm);
    }
    add("Fixed divisor of the noisy sum", phase.normaliser);
    if (!rows.empty()) {
      all += table("Settings of " + phase.name, {{"Setting"}, {"Value", true}}, rows, false);
    }
  }
  return all;
}

// The number of units that was declared or charged, where the certificate tells one.
std::optional<double> units_of(const Certificate& certificate) {
  for (const Fact& fact : certificate.facts) {
    if (fact.fact != "number of units in training") continue;
    char* end = nullptr;
    const double units = std::strtod(fact.detail.c_str(), &end);
    if (end != fact.detail.c_str() && std::isfinite(units) && units >= 1) return units;
  }
  return std::nullopt;
}

Html large_delta(const Certificate& certificate) {
  const auto units = units_of(certificate);
  if (!units || !is_large_delta(certificate.guarantee.delta, *units)) return Html();
  return paragraph(
      strong("Delta is large for so many units. ") +
      text("It should be at most a tenth of one in their number (about " + significant(*units) +
           "), so at most " + one_in(advised_delta(*units)) + "; here it is " +
           one_in(certificate.guarantee.delta) +
           ". A method that publishes one record picked at random has a delta of one in their number."));
}

Html facts(const Certificate& certificate) {
  std::vector<std::vector<Html>> rows;
  for (const Fact& fact : certificate.facts) {
    rows.push_back({text(capitalised(fact.fact)), how_badge(fact.how), text(capitalised(fact.detail))});
  }
  Html all = paragraph(
      "Training needs to know things about the data: how many records there are, which classes, how "
      "large the numbers get. Each of them was declared by the owner, fixed without looking at the "
      "data, or released with noise and paid for from the budget.");
  if (!rows.empty()) all += table("How each fact was obtained", {{"Fact"}, {"How"}, {"In detail"}}, rows);
  return all;
}

// "scattering (fixed), conv2d, tanh, ..." from an architecture document; "" where it has another form.
std::string layers_of(const Json& model) {
  std::string all;
  for (const char* part : {"fixed", "layers"}) {
    for (const Json& step : model.value("architecture", Json::object()).value(part, Json::array())) {
      all += (all.empty() ? "" : ", ") + step.value("type", "") +
             (std::string_view(part) == "fixed" ? " (fixed)" : "");
    }
  }
  return all;
}

// What the card says and the table of facts did not.
Html about(const Certificate& certificate, const Json& card, const Json& model) {
  Html all;
  for (const auto& [section, title] :
       {std::pair{"model", "The model"}, std::pair{"data_set", "The data set"}}) {
    std::vector<std::vector<Html>> rows;
    std::string not_stated;
    for (const Json& fact : card.at(section).at("facts")) {
      const bool told = std::any_of(certificate.facts.begin(), certificate.facts.end(),
                                    [&](const Fact& one) { return fact.at("fact") == one.fact; });
      if (told) continue;
      rows.push_back(
          {text(capitalised(fact.at("fact"))), plain_value(fact.at("value")), how_badge(fact.at("how"))});
    }
    if (const std::string layers = layers_of(model);
        section == std::string_view("model") && !layers.empty()) {
      rows.push_back({text("Layers"), text(layers), text("In model.json")});
    }
    for (const CardQuestion& question : card_questions()) {
      if (question.section != section) continue;
      const std::string answer = card.at(section).at("answers").at(question.field);
      if (answer == kNotStated) {
        not_stated += (not_stated.empty() ? "" : "; ") + question.title;
      } else {
        rows.push_back({text(question.title), text(answer), how_badge("declared")});
      }
    }
    all += element("h3", title);
    if (!rows.empty())
      all += table(title + std::string(": what is known"), {{"Fact"}, {"Value"}, {"How"}}, rows);
    if (!not_stated.empty()) all += paragraph(strong("Not stated by the owner: ") + text(not_stated + "."));
  }
  return all;
}

Html checking() {
  return paragraph(
             text("The package is a folder with this report, the model and the certificate ") +
             code("privacy.json") +
             text(". Anyone who has it can check it with the program that made it, without the records:")) +
         element("pre", element("code", "discreet verify NAME.discreet")) +
         list(
             {text("It recomputes epsilon from the certificate’s list of events alone, and compares."),
              text(
                  "It compares a SHA-256 of every file with the signed manifest: one changed byte is found."),
              text("It says whose key signed. A key that you do not know proves that nothing was changed "
                   "since signing, "
                   "not who signed; ask the owner for the key by another way."),
              text("It cannot prove that the training ran as the certificate says. For that you trust "
                   "whoever ran "
                   "it.")});
}

Html made_by(const Certificate& certificate) {
  std::string words =
      "Made from the certificate and the card alone; no private record was read for this page.";
  std::string versions;
  for (const auto& [name, version] : certificate.software.items()) {
    versions += (versions.empty() ? "" : ", ") + name + " " +
                (version.is_string() ? version.get<std::string>() : version.dump());
  }
  if (!versions.empty()) words += " Software: " + versions + ".";
  if (!certificate.ledger.run.empty()) words += " Run " + certificate.ledger.run + " in the owner’s ledger.";
  return paragraph(words);
}

std::string page_of(const Certificate& certificate, const Json& card, const Json& model) {
  const Guarantee& guarantee = certificate.guarantee;
  const Html epsilon = number(guarantee.epsilon, rounded_up(guarantee.epsilon));
  Page page(
      "Privacy report", card.at("name").get<std::string>(),
      guarantee.is_private
          ? text("This model was trained on private records. What it can reveal about " +
                 unit_words(guarantee) +
                 " among them is limited by a mathematical guarantee: differential privacy with epsilon ") +
                epsilon + text(".")
          : text("This model was made for a test. It promises nobody anything."));
  if (!guarantee.is_private) {
    page.add(notice(
        Tone::kWarning, "NOT PRIVATE: made with a test seed",
        paragraph("The randomness of this run can be repeated by anyone who knows the seed, so the noise "
                  "hides nothing. The figures below are what the same run would cost with secret "
                  "randomness. Do not release this model.")));
  }
  page.add(key_facts({
      {"Epsilon", epsilon, text("Smaller is stronger. This one counts as “" + strength(guarantee) + "”.")},
      {"Delta", number(guarantee.delta, one_in(guarantee.delta)), text("A small allowance beside epsilon.")},
      {"Protected", text(unit_words(guarantee)), text(unit_sentence(guarantee))},
      {"Compared", text(relation_words(guarantee)), text(relation_sentence(guarantee))},
  }));
  page.section("one-person", "What it means for one person", meaning_for_one(guarantee));
  page.section("not-promised", "What it does not promise",
               large_delta(certificate) + not_promised(guarantee));
  page.section("budget", "How the budget was spent", spending(certificate));
  page.section("method", "How the model was made", method(certificate));
  page.section("facts", "What was learned from the data, and how", facts(certificate));
  page.section("about", "The model and its data", about(certificate, card, model));
  page.section("questions", "Questions an evaluator asks", nist_table(certificate));
  if (!certificate.not_proven.empty()) {
    std::vector<Html> items;
    for (const std::string& item : certificate.not_proven) items.push_back(text(capitalised(item)));
    page.section("not-proven", "What is not proven", list(items));
  }
  page.section("check", "How to check this yourself", checking());
  return page.html(made_by(certificate));
}

}  // namespace

std::string report_html(const Certificate& certificate, const Json& card, const Json& model) {
  if (const std::vector<std::string> problems = check_certificate(certificate); !problems.empty()) {
    throw Error(ErrorKind::kDataLoss, problems.front());
  }
  try {
    return page_of(certificate, card, model);
  } catch (const Json::exception& error) {
    throw Error(ErrorKind::kDataLoss,
                std::string("card.json or model.json is not what this version writes: ") + error.what());
  }
}

}  // namespace discreet
