# How set-up scripts install what is missing; for `source`, after `tools` is set.

# packages: from the distribution, one line said, nothing where none is named.
packages() {
  if [ $# -gt 0 ]; then
    echo "setup: apt-get install $*"
    if [ "$(id -u)" = 0 ]; then local sudo=; else local sudo=sudo; fi
    $sudo apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "$@" >/dev/null
  fi
}

# program NAME VERSION [OPTION...]: from crates.io. They run for seconds: building them fast matters more than running them fast.
program() {
  if ! "$tools/bin/$1" --version >/dev/null 2>&1; then
    echo "setup: cargo install $1 (a few minutes, once)"
    CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
      cargo install --quiet --locked "$1" --version "$2" "${@:3}" --root "$tools"
  fi
}
