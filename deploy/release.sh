#!/usr/bin/env bash
# A release of our own: a .deb and a source tarball, bill of materials and provenance, all signed by the release role.
#   deploy/release.sh --version V [--out DIR] [--signer SOCKET] [--build-dir DIR] [--unsigned] [--compare-objects FILES]
#
# Builds twice, in two folders, and goes on only where both give the same bytes; with --build-dir it packs what was built there, once.
# --compare-objects releases nothing: it compiles these object files twice, as a release does, and says whether the bytes are the same.
# Refuses a changed source tree, and a build whose commands are over budget (make bench-budgets). Where the signer wants
# approvals first (releases.approvals), it ends with 4 and the line to approve; run it again with --approval-token-chain FILES.
set -euo pipefail
cd "$(dirname "$0")/.."

die() {
  echo "release: $1" >&2
  exit "${2:-1}"
}

version="" out="" build_dir="" unsigned="" objects="" signer=() approvals=()
while [[ $# -gt 0 ]]; do
  case "$1" in
    --version | --out | --build-dir | --compare-objects) [[ $# -ge 2 ]] || die "$1 needs a value" 6 ;;&
    --version) version="$2" && shift 2 ;;
    --out) out="$2" && shift 2 ;;
    --build-dir) build_dir="$2" && shift 2 ;;
    --compare-objects) objects="$2" && shift 2 ;;
    --unsigned) unsigned=1 && shift ;;
    --signer) signer=("$1" "${2:?}") && shift 2 ;;
    --approval-token | --approval-token-chain) approvals+=("$1" "${2:?}") && shift 2 ;;
    -h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0" && exit 0 ;;
    *) die "unknown argument $1 (see --help)" 6 ;;
  esac
done
[[ "$version" =~ ^[0-9]+\.[0-9]+\.[0-9]+([~+.a-z0-9]*)$ ]] || die "--version must be like 1.2.3" 6
[[ -z "$(git status --porcelain --untracked-files=no)" ]] || die "the source tree has changes that no commit holds" 3
for tool in dpkg-deb dpkg-shlibdeps go-md2man strip jq; do
  command -v "$tool" >/dev/null || die "$tool is missing: deploy/install-packages.sh release" 7
done
out="$(realpath -m "${out:-build/release-$version}")"
revision="$(git rev-parse HEAD)"
architecture="$(dpkg --print-architecture)"
deb="countersign_${version}_$architecture.deb"
files=("$deb" "countersign-$version.tar.gz" "countersign-$version.cdx.json" "countersign-$version.provenance.json")

# sign_release BIN: what lies in $out, by the release role. Ends with 4 where the signer wants approvals first.
sign_release() {
  "$1/countersign" release sign "${files[@]/#/$out/}" --version "$version" --builder deploy/release.sh \
    --source-revision "$revision" --out-dir "$out" --quiet "${signer[@]}" "${approvals[@]}" || {
    local code=$?
    echo "release: not signed; the files are in $out" >&2
    exit "$code"
  }
  "$1/countersign" keys export --role release --format pem "${signer[@]}" >"$out/release.pem"
  "$1/countersign" release verify "${files[@]/#/$out/}" --dir "$out" --public-key "$out/release.pem"
  echo "released: $out"
}

# With approvals, what an earlier run left to be signed is signed: other bytes would need other approvals.
if [[ -e "$out" && ${#approvals[@]} -gt 0 && ! -e "$out/release.pem" ]]; then
  program="${build_dir:-build/release}/bin/countersign"
  [[ -n "$build_dir" || -x "$program" ]] || program="$(command -v countersign)" || die "no countersign to sign with: --build-dir DIR" 6
  sign_release "$(dirname "$program")"
  exit 0
fi
[[ ! -e "$out" ]] || die "$out is there already" 3
SOURCE_DATE_EPOCH="$(git log -1 --format=%ct)"
export SOURCE_DATE_EPOCH
readonly version out revision architecture
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
umask 022

# build SOURCE BINARY [TARGET…]: the release preset's flags, without a cache of ours.
build() {
  cmake -S "$1" -B "$2" -G Ninja -DCMAKE_BUILD_TYPE=None -DCMAKE_CXX_FLAGS="-O2 -g1" -DCMAKE_C_FLAGS="-O2 -g1" \
    -DCOUNTERSIGN_HARDEN=ON -DCOUNTERSIGN_TESTS=OFF >/dev/null
  cmake --build "$2" -j "$(nproc)" ${3:+--target "${@:3}"} >"$2/build.log" 2>&1 || {
    tail -n 40 "$2/build.log" >&2
    die "the build failed"
  }
}

# compare_objects FILE…: compiled in two folders, without debugging information, as pack() strips it.
compare_objects() {
  local round object
  for round in one two; do
    git clone -q . "$work/source-$round"
    build "$work/source-$round" "$work/build-$round" "$@"
    for object; do strip --strip-unneeded "$work/build-$round/$object"; done
  done
  for object; do
    cmp "$work/build-one/$object" "$work/build-two/$object" || die "two builds gave different bytes: $object is not reproducible" 2
  done
  echo "the same bytes twice: $# objects"
}

# What the programs link, by package: Debian's own way of saying so.
depends() {
  mkdir -p "$work/debian" && : >"$work/debian/control"
  (cd "$work" && dpkg-shlibdeps -O --ignore-missing-info "$1"/usr/bin/* 2>/dev/null) | sed -n 's/^shlibs:Depends=//p'
}

# installed_size ROOT: in KiB, each file rounded up. What du says of a file depends on when its blocks were allocated.
installed_size() {
  find "$1" -name DEBIAN -prune -o -type f -printf '%s\n' | awk '{sum += int(($1 + 1023) / 1024)} END {print sum}'
}

# pack BIN_FOLDER ROOT DEB: the package's tree and the package, the same bytes for the same programs.
pack() {
  local bin="$1" tree="$2" page
  install -d "$tree"/usr/{bin,lib/sysusers.d,lib/tmpfiles.d} "$tree"/lib/systemd/system "$tree"/usr/share/man/man{1,8} \
    "$tree"/usr/share/doc/countersign/examples "$tree"/DEBIAN
  for program in countersign countersignd countersign-holder; do
    install -m 0755 "$bin/$program" "$tree/usr/bin/"
    strip --strip-unneeded --remove-section=.comment --remove-section=.note "$tree/usr/bin/$program"
  done
  install -m 0644 deploy/systemd/*.service "$tree/lib/systemd/system/"
  install -m 0644 deploy/systemd/countersign.sysusers "$tree/usr/lib/sysusers.d/countersign.conf"
  install -m 0644 deploy/systemd/countersign.tmpfiles "$tree/usr/lib/tmpfiles.d/countersign.conf"
  for page in docs/man/*.md; do
    page="$(basename "$page" .md)"
    go-md2man -in "docs/man/$page.md" -out "$work/$page"
    gzip -9n <"$work/$page" >"$tree/usr/share/man/man${page##*.}/$page.gz"
  done
  install -m 0644 deploy/config/*.yaml "$tree/usr/share/doc/countersign/examples/"
  cp -r deploy/ceremonies examples/notify "$tree/usr/share/doc/countersign/examples/"
  cat >"$tree/usr/share/doc/countersign/copyright" <<'COPYRIGHT'
Copyright: the Countersign authors
License: Apache-2.0
 The whole text is in /usr/share/common-licenses/Apache-2.0 on Debian systems.
COPYRIGHT
  gzip -9n <CHANGELOG.md >"$tree/usr/share/doc/countersign/CHANGELOG.md.gz"
  # The users and folders of the units; nothing is started.
  cat >"$tree/DEBIAN/postinst" <<'POSTINST'
#!/bin/sh
set -e
if [ "$1" = configure ] && command -v systemd-sysusers >/dev/null; then
  systemd-sysusers countersign.conf
  systemd-tmpfiles --create countersign.conf || true
fi
POSTINST
  chmod 0755 "$tree/DEBIAN/postinst"
  cat >"$tree/DEBIAN/control" <<CONTROL
Package: countersign
Version: $version
Architecture: $architecture
Maintainer: Countersign <security@countersign.example>
Section: admin
Priority: optional
Installed-Size: $(installed_size "$tree")
Depends: $(depends "$tree"), bubblewrap, libcurl4
Recommends: softhsm2, openssh-client
Description: HSM-integrated signer of approvals, traces and releases
 A hardened signer keeps approval, trace and release keys apart in PKCS#11
 tokens, rotates them by ceremony and publishes public keys before they are
 used; a gate turns policies and intents into signed verdicts, a broker stands
 between agents and their tools.
CONTROL
  find "$tree" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
  dpkg-deb --root-owner-group -Zxz -z2 --build "$tree" "$3" >/dev/null
}

if [[ -n "$objects" ]]; then
  IFS=, read -ra objects <<<"$objects"
  compare_objects "${objects[@]}"
  exit 0
fi
if [[ -n "$build_dir" ]]; then
  build_dir="$(realpath -e "$build_dir")" || die "there is no $build_dir" 6
  pack "$build_dir/bin" "$work/tree" "$work/$deb"
  bin="$build_dir/bin"
else
  for round in one two; do
    echo "building ($round of two)"
    git clone -q . "$work/source-$round"
    build "$work/source-$round" "$work/build-$round"
    pack "$work/build-$round/bin" "$work/tree-$round" "$work/$round.deb"
  done
  cmp "$work/one.deb" "$work/two.deb" || die "two builds gave different packages: the release is not reproducible" 2
  mv "$work/one.deb" "$work/$deb"
  mv "$work/tree-one" "$work/tree"
  bin="$work/build-one/bin"
fi
echo "packed $deb $(sha256sum "$work/$deb" | cut -d' ' -f1)"

if [[ -z "$unsigned" ]]; then
  echo "measuring the budgets"
  "$bin/countersign" bench-budgets --out "$work/bench_budgets.json" >"$work/budgets.log" 2>&1 || {
    cat "$work/budgets.log" >&2
    die "commands are over budget: nothing is released" 3
  }
fi

tarball="countersign-$version.tar.gz"
git archive --format=tar --prefix="countersign-$version/" HEAD | gzip -9n >"$work/$tarball"

# CycloneDX 1.5: what the package depends on, as installed where it was built.
sbom="countersign-$version.cdx.json"
dpkg-deb -f "$work/$deb" Depends | tr ',' '\n' | sed 's/^ *//; s/ .*//' | sort -u | while read -r package; do
  dpkg-query -W -f='{"type":"library","name":"${Package}","version":"${Version}","purl":"pkg:deb/debian/${Package}@${Version}?arch=${Architecture}"}\n' \
    "$package" 2>/dev/null || true
done | jq -S -s --arg version "$version" --arg revision "$revision" '{bomFormat: "CycloneDX", specVersion: "1.5", version: 1,
  metadata: {component: {type: "application", name: "countersign", version: $version, purl: ("pkg:generic/countersign@" + $version),
    properties: [{name: "source-revision", value: $revision}]}}, components: .}' >"$work/$sbom"

# SLSA provenance v1, as an in-toto statement; the manifest that is signed names it by its digest.
provenance="countersign-$version.provenance.json"
jq -S -n --arg deb "$deb" --arg deb_sum "$(sha256sum "$work/$deb" | cut -d' ' -f1)" --arg tar "$tarball" \
  --arg tar_sum "$(sha256sum "$work/$tarball" | cut -d' ' -f1)" --arg revision "$revision" --arg version "$version" \
  --arg compiler "$(g++ -dumpfullversion)" --arg system "$(. /etc/os-release && echo "$PRETTY_NAME")" '{
  _type: "https://in-toto.io/Statement/v1", predicateType: "https://slsa.dev/provenance/v1",
  subject: [{name: $deb, digest: {sha256: $deb_sum}}, {name: $tar, digest: {sha256: $tar_sum}}],
  predicate: {buildDefinition: {buildType: "https://countersign.example/build/deb/v1", externalParameters: {version: $version},
      resolvedDependencies: [{uri: "git+countersign", digest: {gitCommit: $revision}}]},
    runDetails: {builder: {id: "deploy/release.sh"}, metadata: {invocationId: $revision}, byproducts: [{name: "g++", content: $compiler}, {name: "system", content: $system}]}}}' \
  >"$work/$provenance"

mkdir -p "$out"
for file in "${files[@]}"; do install -m 0644 "$work/$file" "$out/$file"; done
if [[ -n "$unsigned" ]]; then
  echo "not signed: $out"
  exit 0
fi
install -m 0644 "$work/bench_budgets.json" "$out/bench_budgets.json"
sign_release "$bin"
