#!/bin/bash
# Runs Gantry on a host that has cgroup v2 only: Debian's kernel under QEMU, an initramfs with
# busybox and the programs of target/debug (or $BIN), and scripts/cgroup2-guest.sh as its test.
# Nothing of this machine changes but $CACHE (the unpacked kernel). Exit: 0 passed, 1 failed,
# 77 skipped with the reason.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=${BIN:-$here/../target/debug}
cache=${CACHE:-/var/tmp/gantry-cgroup2}
limit=${LIMIT:-300}
# A nested KVM may hang at the first instruction, so it is used only if asked for: ACCEL=kvm.

skip() { echo "SKIP: $*"; exit 77; }
command -v qemu-system-x86_64 >/dev/null || skip "qemu-system-x86_64 is not installed (Debian: qemu-system-x86)"
command -v cpio >/dev/null || command -v busybox >/dev/null || skip "neither cpio nor busybox is installed"
[ -x /bin/busybox ] || skip "/bin/busybox is not installed (Debian: busybox-static)"
for program in gantry-runtime gantry-shim gantry-logger gantryd gantry gantry-init; do
    [ -x "$bin/$program" ] || { echo "FAIL: $bin/$program is not built"; exit 1; }
done

# The kernel's package, unpacked aside: /boot stays as it is.
if ! ls "$cache"/kernel/boot/vmlinuz-* >/dev/null 2>&1; then
    mkdir -p "$cache/kernel"
    package=$(apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends:/ {print $2; exit}')
    [ -n "$package" ] || skip "apt knows no linux-image-amd64"
    (cd "$cache" && apt-get download -q "$package" >/dev/null 2>&1) || skip "$package cannot be downloaded"
    dpkg-deb -x "$cache"/linux-image-*.deb "$cache/kernel"
fi
kernel=$(echo "$cache"/kernel/boot/vmlinuz-*)
modules=$(echo "$cache"/kernel/lib/modules/*)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root"/{bin,sbin,etc,proc,sys,dev,tmp,run,modules,lib64,var}
cp /bin/busybox "$root/bin/busybox"
for program in gantry-runtime gantry-shim gantry-logger gantryd gantry gantry-init; do
    # Debugging information would make the machine unpack half a gigabyte.
    strip -o "$root/bin/$program" "$bin/$program"
done
for program in "$bin"/{gantryd,gantry,gantry-shim,gantry-runtime}; do
    ldd "$program" | grep -o '/[^ ]*'
done | sort -u | while read -r library; do
    mkdir -p "$root/$(dirname "$library")" && cp -L "$library" "$root/$library"
done
cp "$here/cgroup2-guest.sh" "$root/init"

echo root:x:0:0:root:/tmp:/bin/sh > "$root/etc/passwd"
echo root:x:0: > "$root/etc/group"

# Modules in the order in which they can be loaded.
: > "$root/modules/order"
add_module() {
    local file depends need
    file=$(find "$modules" -name "$1.ko" -o -name "${1//_/-}.ko" | head -1)
    [ -n "$file" ] || return 0 # built in
    grep -qx "$(basename "$file")" "$root/modules/order" && return 0
    depends=$(grep -aoz 'depends=[^[:cntrl:]]*' "$file" | tr -d '\0' | sed 's/^depends=//;s/depends=.*//')
    for need in ${depends//,/ }; do add_module "$need"; done
    cp "$file" "$root/modules/" && basename "$file" >> "$root/modules/order"
}
for module in crc32c_generic crc32c_intel overlay veth bridge br_netfilter nf_tables nft_chain_nat nft_nat nft_masq nft_ct \
    nft_fib_inet nft_fib_ipv4 nft_fib_ipv6 nft_reject_inet nft_reject_ipv4 nft_redir nft_compat dummy; do
    add_module "$module"
done

if command -v cpio >/dev/null; then cpio=cpio; else cpio="busybox cpio"; fi
(cd "$root" && find . | $cpio -o -H newc 2>/dev/null | gzip -1) > "$work/initramfs"
timeout "$limit" qemu-system-x86_64 -accel "${ACCEL:-tcg}" -cpu max -m 1536 -smp 2 -nographic -no-reboot \
    -nic none -kernel "$kernel" -initrd "$work/initramfs" \
    -append "console=ttyS0 panic=-1 cgroup_no_v1=all rdinit=/init" </dev/null | tr -d '\r' | tee "$work/console"
grep -q '^DONE$' "$work/console" || { echo "FAIL: the machine did not get to the end"; exit 1; }
! grep -q '^FAIL' "$work/console"
