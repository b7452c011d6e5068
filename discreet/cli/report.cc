// discreet report: a package's guarantee in words; with --out its page, written anew from its documents.
#include "discreet/report/report.h"

#include <filesystem>
#include <iostream>

#include "discreet/base/error.h"
#include "discreet/base/file.h"
#include "discreet/base/text.h"
#include "discreet/cli/arguments.h"
#include "discreet/cli/command.h"
#include "discreet/cli/words.h"
#include "discreet/package/certificate.h"
#include "discreet/package/package.h"
#include "discreet/package/verify.h"
#include "discreet/report/guarantee_words.h"

namespace discreet {
namespace {

// Read after the package was verified, so that what is shown is what was signed.
Json read_document(const std::filesystem::path& package, const std::string& name) {
  Json json = Json::parse(read_package_file(package, name), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) {
    throw Error(ErrorKind::kDataLoss, package.string() + ": " + name + " is not a JSON document");
  }
  return json;
}

}  // namespace

int report_command(const std::vector<std::string>& arguments) {
  CLI::App app("What a package guarantees, in words, and where its report is.", "discreet report");
  std::string package;
  Written out;
  bool json = false;
  app.add_option("PACKAGE", package, "a folder NAME.discreet")->required();
  app.add_option("--out", out, "write the report's page anew, from the package's documents, to this file")
      ->type_name("FILE");
  app.add_flag("--json", json, "one JSON object on standard output");
  if (!parse_arguments(app, arguments)) return 0;

  const Verification verification = verify_package(package);
  if (!verification.valid) {
    throw Error(ErrorKind::kDataLoss, package + " is not valid: " + verification.problems.front());
  }
  const std::filesystem::path page =
      out ? std::filesystem::path(*out) : std::filesystem::path(package) / "report.html";
  const Certificate certificate = parse_certificate(read_package_file(package, "privacy.json"));
  if (out) {
    if (std::filesystem::exists(page)) {
      throw Error(ErrorKind::kAlreadyExists, page.string() + " exists already; choose another name");
    }
    write_file(page, report_html(certificate, read_document(package, "card.json"),
                                 read_document(package, "model.json")));
  } else {
    read_package_file(package, "report.html");
  }
  const Guarantee& guarantee = certificate.guarantee;
  if (json) {
    std::cout << Json{{"report", page.string()},
                      {"epsilon", guarantee.epsilon},
                      {"delta", guarantee.delta},
                      {"relation", to_string(guarantee.relation)},
                      {"unit", verification.unit},
                      {"private", guarantee.is_private},
                      {"key_known", verification.key_known}}
                     .dump()
              << "\n";
    return 0;
  }
  Lines lines;
  lines.add("report", page.string());
  if (!guarantee.is_private) lines.add("NOT PRIVATE", "made with a test seed: the guarantee does not hold");
  lines.add("epsilon", format_number(guarantee.epsilon, 6) + " at delta " + format_number(guarantee.delta));
  if (guarantee.is_private) lines.add("strength", strength(guarantee));
  lines.add("unit", unit_words(guarantee) + ". " + unit_sentence(guarantee));
  lines.add("neighbours", relation_sentence(guarantee));
  lines.add("signed by", verification.key_known ? verification.key_owner : "an unknown key: integrity only");
  std::cout << lines.text();
  if (guarantee.is_private) std::cout << epsilon_in_words(guarantee.epsilon, guarantee.delta) << "\n";
  return 0;
}

}  // namespace discreet
