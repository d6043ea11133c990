#!/usr/bin/env bash
# The exact commands of the package's life, with the Salesforce CLI (`npm install --global @salesforce/cli`).
#
#   scripts/package.sh scratch              a scratch org with the package, its permission sets and sample data
#   scripts/package.sh deploy ORG           the source into a sandbox or a production org, with `access`; runs the package's Apex tests
#   scripts/package.sh access ORG [USER]    what no package can bring: rights on standard objects, for the integration user and for people;
#                                           with USER the integration user gets its licence, then its permission sets
#   scripts/package.sh sign-in ORG USER     the External Client App, by which the host signs in as the integration user USER
#   scripts/package.sh namespace NAME       the package carries a namespace from now on, that NAME of a namespace org linked to the Dev Hub
#   scripts/package.sh packages             both packages in the Dev Hub, once; their aliases go into sfdx-project.json
#   scripts/package.sh version              a new version of each; their aliases (Tandem@0.1.0-1) go into sfdx-project.json
#   scripts/package.sh promote VERSION      releases a version, which production orgs ask for; VERSION is an alias or a 04t… id
#   scripts/package.sh released             the released versions, newest last
#   scripts/package.sh install ORG VERSION  a version into an org, with `access`; also the upgrade
#   scripts/package.sh uninstall ORG VERSION  takes it out again, with all its data
#
# ORG and USER are aliases or user names; `sf org login web` makes an org known.
set -euo pipefail
cd "$(dirname "$0")/.."
script=scripts/$(basename "$0")
usage() { sed -n '4,17s/^# \{0,1\}//p' "$script"; }
fail() { echo "package.sh: $1" >&2; exit 1; }
misused() { echo "package.sh: $1" >&2; usage >&2; exit 2; }

# How many words a command takes at least, with its own name.
case "${1:-}" in
sign-in | install | uninstall) words=3 ;;
deploy | access | namespace | promote) words=2 ;;
scratch | packages | version | released) words=1 ;;
help | --help | -h) usage; exit ;;
"") misused "what is it to do?" ;;
*) misused "there is no command \`$1\`" ;;
esac
if [ $# -lt $words ]; then misused "it is \`$(usage | sed -n "s|^ *scripts/package.sh \($1\( [][A-Z]*\)*\)  .*|\1|p" | sed 's| *$||')\`"; fi

# All but one speak to Salesforce.
needs_cli() {
  command -v sf >/dev/null || fail "the Salesforce CLI is missing: npm install --global @salesforce/cli (with Node 22.19 or newer)"
  sf --version >/dev/null 2>&1 || fail "the Salesforce CLI does not run, it needs Node 22.19 or newer: \`sf --version\` says why"
}
[ "$1" = namespace ] || needs_cli

# A managed package's names carry its namespace in every org but that of its source; what is deployed beside it speaks of them so.
namespace=$(sed -n 's/^ *"namespace": "\(.*\)".*/\1/p' sfdx-project.json)
prefix=${namespace:+${namespace}__}
# What is deployed in place of the source's own folder is gone in the end, however it ends.
trap 'rm -rf access/named sign-in/named' EXIT
# A text inside XML, and one that `sed` puts in; both on one line.
xml() { printf '%s\n' "$1" | sed -e 's/&/\&amp;/g' -e 's/</\&lt;/g' -e 's/>/\&gt;/g'; }
put_in() { printf '%s\n' "$1" | sed -e 's/[\\&|]/\\&/g'; }
# The folder, the org, and for the app by which the host signs in whom Salesforce writes to about it.
beside() {
  local email=${3:-}
  if [ -z "$prefix$email" ]; then sf project deploy start --source-dir "$1" --target-org "$2"; return; fi
  rm -rf "$1/named" && cp -R "$1/main" "$1/named"
  find "$1/named" -name '*.xml' -exec sed -E -i.before \
    "s/([^A-Za-z0-9_])(Tandem_[A-Za-z0-9_]+__(c|e|mdt|r))/\1${prefix}\2/g" {} +
  if [ -n "$email" ]; then
    email=$(put_in "$(xml "$email")")
    find "$1/named" -name '*.eca-meta.xml' -exec sed -i.before "s|<contactEmail>.*<|<contactEmail>$email<|" {} +
  fi
  find "$1/named" -name '*.before' -delete
  sf project deploy start --source-dir "$1/named" --target-org "$2"
}
# The e-mail address of whoever is signed in to an org: what the source has in its place is nobody's.
own_email() {
  local said me name row
  if ! said=$(sf org display --json --target-org "$1"); then
    row=$(sed -n 's/^ *"message": *"\(.*\)",\{0,1\}$/\1/p' <<<"$said" | sed -n 1p)
    fail "who is signed in to $1 is not known, \`sf org display\` says: ${row:-$said}; \`sf org login web --alias $1\` signs in"
  fi
  me=$(sed -n 's/^ *"username": *"\([^"]*\)".*/\1/p' <<<"$said" | sed -n 1p)
  [ -n "$me" ] || fail "who is signed in to $1 is not known, \`sf org display\` names no user name"
  name=$(printf '%s\n' "$me" | sed -e 's/\\/\\\\/g' -e "s/'/\\\\'/g")
  said=$(sf data query --query "SELECT Email FROM User WHERE Username = '$name'" --result-format csv --target-org "$1") ||
    fail "the e-mail address of $me is not known, \`sf data query\` says: $said"
  row=$(sed -n 2p <<<"$said" | tr -d '"\r')
  case "$row" in
  *@*) printf '%s\n' "$row" ;;
  *) fail "the e-mail address of $me is not known, $1 has no user of that name: $said" ;;
  esac
}

# Rights on standard objects and on what is below them. A licence comes before the permission sets that it carries.
access() {
  beside access "$1"
  if [ -n "${2:-}" ]; then
    # Without a licence that is needed the sets are refused below. The words of the refusal are not known: assumed is that they name a licence.
    if said=$(sf org assign permsetlicense --name SalesforceAPIIntegrationPsl --on-behalf-of "$2" --target-org "$1" 2>&1); then
      echo "$said"
    else
      echo "$said" >&2
      if grep -qiw 'licen[sc]es\{0,1\}' <<<"$said"; then
        echo "package.sh: no permission set licence for $2: right for a user with a full Salesforce licence, which needs none" >&2
      fi
    fi
    sf org assign permset --name "${prefix}Tandem_Integration" --name Tandem_Integration_Standard --on-behalf-of "$2" --target-org "$1"
  fi
}

# The package's own tests: those of the org are the org's own business, and fail for reasons of their own.
tests=(--test-level RunSpecifiedTests)
for class in force-app/main/default/classes/Tandem*Test.cls; do tests+=(--tests "$(basename "$class" .cls)"); done

case "${1:-}" in
scratch)
  prefix=
  sf org create scratch --definition-file config/scratch-org.json --alias tandem --set-default --duration-days 7
  sf project deploy start --source-dir force-app --target-org tandem
  sf project deploy start --source-dir german --target-org tandem
  access tandem
  sf project deploy start --source-dir sample --target-org tandem
  sf org assign permset --name Tandem_User --name Tandem_User_Standard --name Tandem_Admin --name Tandem_Sample_Data --target-org tandem
  sf data import tree --plan data/plan.json --target-org tandem
  sf apex run test "${tests[@]}" --wait 20 --result-format human --target-org tandem
  sf org open --path lightning/n/Tandem_Setup --target-org tandem
  ;;
deploy)
  prefix=
  sf project deploy start --source-dir force-app "${tests[@]}" --target-org "${2:?ORG}"
  access "$2"
  ;;
sign-in)
  email=$(own_email "${2:?ORG}")
  user=$(xml "${3:?USER}")
  # Of this org and no package: which user the app runs as, and who may use it. The key and the secret are made by Salesforce.
  policies=sign-in/main/default/extlClntAppOauthPolicies
  mkdir -p "$policies"
  cat > "$policies/Tandem_defaultPolicy.ecaOauthPlcy-meta.xml" <<XML
<?xml version="1.0" encoding="UTF-8"?>
<ExtlClntAppOauthConfigurablePolicies xmlns="http://soap.sforce.com/2006/04/metadata">
    <clientCredentialsFlowUser>$user</clientCredentialsFlowUser>
    <commaSeparatedPermissionSet>${prefix}Tandem_Integration</commaSeparatedPermissionSet>
    <externalClientApplication>Tandem</externalClientApplication>
    <ipRelaxationPolicyType>Enforce</ipRelaxationPolicyType>
    <isClientCredentialsFlowEnabled>true</isClientCredentialsFlowEnabled>
    <label>Tandem_defaultPolicy</label>
    <permittedUsersPolicyType>AdminApprovedPreAuthorized</permittedUsersPolicyType>
    <refreshTokenPolicyType>Zero</refreshTokenPolicyType>
</ExtlClntAppOauthConfigurablePolicies>
XML
  beside sign-in "$2" "$email"
  ;;
access)
  access "${2:?ORG}" "${3:-}"
  ;;
namespace)
  # In sfdx-project.json: nothing else of the source changes, with a namespace or without.
  if ! grep -qE '^([A-Za-z]([A-Za-z0-9]|_[A-Za-z0-9]){0,14})?$' <<<"$2" || [ ${#2} -gt 15 ]; then
    fail "\`$2\` is no namespace: a letter, then letters, digits and single underscores, 15 at most"
  fi
  sed -i.before "s/\"namespace\": \"[^\"]*\"/\"namespace\": \"$2\"/" sfdx-project.json && rm sfdx-project.json.before
  echo "sfdx-project.json: ${2:+the package carries the namespace }${2:-the package carries no namespace}"
  ;;
packages)
  # With a namespace a managed package, which can be listed and runs in Professional Edition; without one an unlocked one.
  type=Unlocked
  if ! grep -q '"namespace": ""' sfdx-project.json; then type=Managed; fi
  sf package create --name Tandem --package-type "$type" --path force-app
  sf package create --name "Tandem German" --package-type "$type" --path german
  ;;
version)
  sf package version create --package Tandem --installation-key-bypass --code-coverage --wait 60
  sf package version create --package "Tandem German" --installation-key-bypass --code-coverage --wait 60
  ;;
promote)
  # For good: then raise `versionNumber` in sfdx-project.json, since no second version of a released number can be promoted.
  sf package version promote --package "${2:?VERSION}" --no-prompt
  ;;
released)
  sf package version list --released --order-by CreatedDate --packages Tandem --packages "Tandem German"
  ;;
install)
  # Fields and objects are never removed by an upgrade: what is no longer used stays, marked as deprecated.
  sf package install --package "${3:?VERSION}" --target-org "${2:?ORG}" --upgrade-type DeprecateOnly --wait 30
  access "$2"
  ;;
uninstall)
  sf package uninstall --package "${3:?VERSION}" --target-org "${2:?ORG}" --wait 30
  ;;
esac
