#!/usr/bin/env bash
# The exact commands of the package's life, with the Salesforce CLI (`npm install --global @salesforce/cli`).
#
#   scripts/package.sh scratch            a scratch org with the package, its permission sets and sample data
#   scripts/package.sh deploy ORG         the source into a sandbox or a production org; runs the package's Apex tests
#   scripts/package.sh sign-in ORG USER   the External Client App, by which the host signs in as the integration user USER
#   scripts/package.sh version            a new version of the unlocked package; prints its 04t… id
#   scripts/package.sh install ORG ID     a version into an org; also the upgrade
#   scripts/package.sh uninstall ORG ID   takes it out again, with all its data
#
# ORG is an alias or user name that `sf org login web` made known.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v sf >/dev/null || { echo "package.sh: the Salesforce CLI is missing: npm install --global @salesforce/cli" >&2; exit 1; }
# The package's own tests: those of the org are the org's own business, and fail for reasons of their own.
tests=(--test-level RunSpecifiedTests)
for class in force-app/main/default/classes/Tandem*Test.cls; do tests+=(--tests "$(basename "$class" .cls)"); done
usage() { sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2; }

case "${1:-}" in
scratch)
  sf org create scratch --definition-file config/scratch-org.json --alias tandem --set-default --duration-days 7
  sf project deploy start --source-dir force-app --target-org tandem
  sf project deploy start --source-dir german --target-org tandem
  sf org assign permset --name Tandem_User --name Tandem_Admin --target-org tandem
  sf data import tree --plan data/plan.json --target-org tandem
  sf apex run test "${tests[@]}" --wait 20 --result-format human --target-org tandem
  sf org open --path lightning/n/Tandem_Setup --target-org tandem
  ;;
deploy)
  sf project deploy start --source-dir force-app "${tests[@]}" --target-org "${2:?ORG}"
  ;;
sign-in)
  # Of this org and no package: which user the app runs as, and who may use it. The key and the secret are made by Salesforce.
  policies=sign-in/main/default/extlClntAppOauthPolicies
  mkdir -p "$policies"
  cat > "$policies/Tandem_defaultPolicy.ecaOauthPlcy-meta.xml" <<XML
<?xml version="1.0" encoding="UTF-8"?>
<ExtlClntAppOauthConfigurablePolicies xmlns="http://soap.sforce.com/2006/04/metadata">
    <clientCredentialsFlowUser>${3:?USER}</clientCredentialsFlowUser>
    <commaSeparatedPermissionSet>Tandem_Integration</commaSeparatedPermissionSet>
    <externalClientApplication>Tandem</externalClientApplication>
    <ipRelaxationPolicyType>Enforce</ipRelaxationPolicyType>
    <isClientCredentialsFlowEnabled>true</isClientCredentialsFlowEnabled>
    <label>Tandem_defaultPolicy</label>
    <permittedUsersPolicyType>AdminApprovedPreAuthorized</permittedUsersPolicyType>
    <refreshTokenPolicyType>Zero</refreshTokenPolicyType>
</ExtlClntAppOauthConfigurablePolicies>
XML
  sf project deploy start --source-dir sign-in --target-org "${2:?ORG}"
  ;;
version)
  # Once for each Dev Hub: sf package create --name Tandem --package-type Unlocked --path force-app
  #                        sf package create --name "Tandem German" --package-type Unlocked --path german
  sf package version create --package Tandem --installation-key-bypass --code-coverage --wait 60
  sf package version create --package "Tandem German" --installation-key-bypass --wait 60
  ;;
install)
  # Fields and objects are never removed by an upgrade: what is no longer used stays, marked as deprecated.
  sf package install --package "${3:?ID}" --target-org "${2:?ORG}" --upgrade-type DeprecateOnly --wait 30
  ;;
uninstall)
  sf package uninstall --package "${3:?ID}" --target-org "${2:?ORG}" --wait 30
  ;;
*) usage ;;
esac
