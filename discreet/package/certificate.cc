#include "discreet/package/certificate.h"

#include <limits>

#include "discreet/package/fields.h"

namespace discreet {
namespace {

constexpr char kDocument[] = "privacy.json";
constexpr double kMost = std::numeric_limits<double>::max();

Json unit_to_json(const PrivacyUnit& unit) {
  Json json = {{"kind", unit.kind}};
  if (unit.column) json["column"] = *unit.column;
  if (unit.max_rows_per_unit) json["max_rows_per_unit"] = *unit.max_rows_per_unit;
  return json;
}

Json phase_to_json(const Phase& phase) {
  Json json = {{"name", phase.name},
               {"attempts", phase.attempts},
               {"event", phase.event.to_json()},
               {"accountant", to_string(phase.accountant)},
               {"epsilon", phase.epsilon},
               {"delta", phase.delta}};
  if (phase.epsilon_lower) json["epsilon_lower"] = *phase.epsilon_lower;
  if (phase.sample_rate) json["sample_rate"] = *phase.sample_rate;
  if (phase.noise_multiplier) json["noise_multiplier"] = *phase.noise_multiplier;
  if (phase.steps) json["steps"] = *phase.steps;
  if (phase.steps_lost) json["steps_lost"] = *phase.steps_lost;
  if (phase.clipping) json["clipping"] = to_string(*phase.clipping);
  if (phase.max_grad_norm) json["max_grad_norm"] = *phase.max_grad_norm;
  if (phase.normaliser) json["normaliser"] = *phase.normaliser;
  return json;
}

PrivacyUnit read_unit(Fields fields) {
  PrivacyUnit unit;
  unit.kind = fields.text("kind");
  if (unit.kind == "column") {
    unit.column = fields.text("column");
    unit.max_rows_per_unit = fields.integer("max_rows_per_unit", 1);
  } else if (unit.kind != "row") {
    fields.fail(fields.at("kind"), "must be row or column");
  }
  fields.no_others();
  return unit;
}

Guarantee read_guarantee(Fields fields) {
  Guarantee guarantee;
  guarantee.epsilon = fields.number("epsilon", 0, kMost);
  guarantee.delta = fields.number("delta", 0, 1);
  try {
    guarantee.relation = parse_relation(fields.text("relation"));
  } catch (const Error& error) {
    fields.fail(fields.at("relation"), std::string("is unknown: ") + error.what());
  }
  guarantee.unit = read_unit(fields.object("unit"));
  guarantee.is_private = fields.boolean("private");
  fields.no_others();
  return guarantee;
}

ClippingMode read_clipping(Fields& fields) {
  try {
    return parse_clipping_mode(fields.text("clipping"));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kInvalidArgument) throw;
    fields.fail(fields.at("clipping"), "must be flat, per-layer, normalised or adaptive");
  }
}

Phase read_phase(Fields fields) {
  Phase phase;
  phase.name = fields.text("name");
  phase.attempts = fields.integer("attempts", 1);
  try {
    phase.event = Event::from_json(fields.any("event"));
  } catch (const Error& error) {
    fields.fail(fields.at("event"), std::string("cannot be read: ") + error.what());
  }
  try {
    phase.accountant = parse_accountant(fields.text("accountant"));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kInvalidArgument) throw;
    fields.fail(fields.at("accountant"), "must be rdp or pld");
  }
  phase.epsilon = fields.number("epsilon", 0, kMost);
  if (phase.accountant == Accountant::kPld) phase.epsilon_lower = fields.number("epsilon_lower", 0, kMost);
  phase.delta = fields.number("delta", 0, 1);
  if (phase.name == "training") {
    phase.sample_rate = fields.number("sample_rate", 0, 1);
    phase.noise_multiplier = fields.number("noise_multiplier", 0, kMost);
    phase.steps = fields.integer("steps", 1);
    phase.steps_lost = fields.integer("steps_lost", 0);
    if (fields.has("clipping")) phase.clipping = read_clipping(fields);
    phase.max_grad_norm = fields.number("max_grad_norm", 0, kMost);
    phase.normaliser = fields.number("normaliser", 0, kMost);
  }
  fields.no_others();
  return phase;
}

Fact read_fact(Fields fields) {
  Fact fact{fields.text("fact"), fields.text("how"), fields.text("detail")};
  if (fact.how != "declared" && fact.how != "independent" && fact.how != "private") {
    fields.fail(fields.at("how"), "must be declared, independent or private");
  }
  fields.no_others();
  return fact;
}

Mechanism read_mechanism(Fields fields) {
  Mechanism mechanism{fields.text("sampler"), fields.text("clipping"), fields.text("noise"),
                      fields.text("generator"), fields.text("floating_point")};
  fields.no_others();
  return mechanism;
}

}  // namespace

Json Certificate::to_json() const {
  Json json = {{"format", "discreet-certificate"}, {"version", kVersion}};
  json["guarantee"] = {{"epsilon", guarantee.epsilon},
                       {"delta", guarantee.delta},
                       {"relation", to_string(guarantee.relation)},
                       {"unit", unit_to_json(guarantee.unit)},
                       {"private", guarantee.is_private}};
  json["phases"] = Json::array();
  for (const Phase& phase : phases) json["phases"].push_back(phase_to_json(phase));
  json["facts"] = Json::array();
  for (const Fact& fact : facts) {
    json["facts"].push_back(Json{{"fact", fact.fact}, {"how", fact.how}, {"detail", fact.detail}});
  }
  json["mechanism"] = {{"sampler", mechanism.sampler},
                       {"clipping", mechanism.clipping},
                       {"noise", mechanism.noise},
                       {"generator", mechanism.generator},
                       {"floating_point", mechanism.floating_point}};
  json["not_proven"] = not_proven;
  json["ledger"] = {{"run", ledger.run}, {"head", ledger.head}};
  json["software"] = software;
  return json;
}

Certificate Certificate::from_json(const Json& json) {
  Fields fields(json, kDocument);
  if (fields.text("format") != "discreet-certificate") fields.fail("format", "must be discreet-certificate");
  const int64_t version = fields.integer("version", 1);
  if (version != kVersion) {
    throw Error(ErrorKind::kUnsupported, "privacy.json has version " + std::to_string(version) +
                                             "; this program reads version " + std::to_string(kVersion));
  }
  Certificate certificate;
  certificate.guarantee = read_guarantee(fields.object("guarantee"));
  const auto each = [&](const std::string& name, const auto& read) {
    size_t place = 0;
    for (const Json& item : fields.array(name)) {
      read(item, name + "[" + std::to_string(place++) + "]");
    }
  };
  each("phases", [&](const Json& item, const std::string& path) {
    certificate.phases.push_back(read_phase(Fields(item, kDocument, path)));
  });
  each("facts", [&](const Json& item, const std::string& path) {
    certificate.facts.push_back(read_fact(Fields(item, kDocument, path)));
  });
  certificate.mechanism = read_mechanism(fields.object("mechanism"));
  each("not_proven", [&](const Json& item, const std::string& path) {
    if (!item.is_string()) fields.fail(path, "must be a text");
    certificate.not_proven.push_back(item.get<std::string>());
  });
  Fields ledger = fields.object("ledger");
  certificate.ledger = {ledger.text("run"), ledger.text("head")};
  ledger.no_others();
  fields.object("software");
  certificate.software = fields.any("software");
  fields.no_others();
  return certificate;
}

std::string certificate_text(const Certificate& certificate) {
  return certificate.to_json().dump(2) + "\n";
}

Certificate parse_certificate(const std::string& text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) throw Error(ErrorKind::kDataLoss, "privacy.json is not a JSON document");
  return Certificate::from_json(json);
}

}  // namespace discreet
