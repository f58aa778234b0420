;; The loops over the content of files: weak sums, XXH3-128 of more than 240 bytes, and the search of a sender.
;; `npm run kernel` assembles it into src/content-kernel-code.ts. Written from the descriptions of the algorithms:
;; XXH3: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md; rolling sum and search: rolling-sum.ts, block-table.ts.
;;
;; Memory, in bytes (content-kernel.ts has the same numbers):
;;      0  192  the default secret of XXH3
;;    192  192  the secret of the session's seed
;;    384   64  accumulators of the file
;;    448   64  accumulators of a block, or of a file that ends
;;    512   16  the digest
;;    528    4  the weak sum that $run stopped at
;;    532    8  the two halves of the window's sum, for $slide
;;    960   64  the last bytes before the following
;;   1024 1024  bytes of the file that are not accumulated yet: the last ones count in another way
;;   4096 4096  weak sums made by $sums
;;   8192   16K strong sums made by $sums
;;   32768      content; behind it the tables of a search
(module
  (memory (export "memory") 18)
  (data (i32.const 0)
    "\b8\fe\6c\39\23\a4\4b\be\7c\01\81\2c\f7\21\ad\1c\de\d4\6d\e9\83\90\97\db\72\40\a4\a4\b7\b3\67\1f"
    "\cb\79\e6\4e\cc\c0\e5\78\82\5a\d0\7d\cc\ff\72\21\b8\08\46\74\f7\43\24\8e\e0\35\90\e6\81\3a\26\4c"
    "\3c\28\52\bb\91\c3\00\cb\88\d0\65\8b\1b\53\2e\a3\71\64\48\97\a2\0d\f9\4e\38\19\ef\46\a9\de\ac\d8"
    "\a8\fa\76\3f\e3\9c\34\3f\f9\dc\bb\c7\c7\0b\4f\1d\8a\51\e0\4b\cd\b4\59\31\c8\9f\7e\c9\d9\78\73\64"
    "\ea\c5\ac\83\34\d3\eb\c3\c5\81\a0\ff\fa\13\63\eb\17\0d\dd\51\b7\f0\da\49\d3\16\55\26\29\d4\68\9e"
    "\2b\16\be\58\7d\47\a1\fc\8f\f8\b8\d1\7a\d0\31\ce\45\cb\3a\8f\95\16\04\28\af\d7\fb\ca\bb\4b\40\7e")

  (global $held (mut i32) (i32.const 0))
  (global $total (mut i64) (i64.const 0))

  ;; ── XXH3 ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  ;; The secret of a seed.
  (func (export "seed") (param $seed i64)
    (local $i i32)
    (loop $next
      (i64.store offset=192 (local.get $i)
        (i64.add (i64.load (local.get $i)) (local.get $seed)))
      (i64.store offset=200 (local.get $i)
        (i64.sub (i64.load offset=8 (local.get $i)) (local.get $seed)))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 16))) (i32.const 192)))))

  (func $begin (param $acc i32)
    (v128.store (local.get $acc) (v128.const i64x2 0xC2B2AE3D 0x9E3779B185EBCA87))
    (v128.store offset=16 (local.get $acc) (v128.const i64x2 0xC2B2AE3D27D4EB4F 0x165667B19E3779F9))
    (v128.store offset=32 (local.get $acc) (v128.const i64x2 0x85EBCA77C2B2AE63 0x85EBCA77))
    (v128.store offset=48 (local.get $acc) (v128.const i64x2 0x27D4EB2F165667C5 0x9E3779B1)))

  ;; `count` stripes of 64 bytes; the secret moves on by 8 for each.
  (func $stripes (param $in i32) (param $secret i32) (param $count i32) (param $acc i32)
    (local $a0 v128) (local $a1 v128) (local $a2 v128) (local $a3 v128)
    (local $d0 v128) (local $d1 v128) (local $k0 v128) (local $k1 v128)
    (local $low v128) (local $high v128)
    (if (i32.eqz (local.get $count)) (then (return)))
    (local.set $a0 (v128.load (local.get $acc)))
    (local.set $a1 (v128.load offset=16 (local.get $acc)))
    (local.set $a2 (v128.load offset=32 (local.get $acc)))
    (local.set $a3 (v128.load offset=48 (local.get $acc)))
    (loop $next
      (local.set $d0 (v128.load (local.get $in)))
      (local.set $d1 (v128.load offset=16 (local.get $in)))
      (local.set $k0 (v128.xor (local.get $d0) (v128.load (local.get $secret))))
      (local.set $k1 (v128.xor (local.get $d1) (v128.load offset=16 (local.get $secret))))
      (local.set $low (i8x16.shuffle 0 1 2 3 8 9 10 11 16 17 18 19 24 25 26 27 (local.get $k0) (local.get $k1)))
      (local.set $high (i8x16.shuffle 4 5 6 7 12 13 14 15 20 21 22 23 28 29 30 31 (local.get $k0) (local.get $k1)))
      (local.set $a0 (i64x2.add
        (i64x2.add (local.get $a0) (i64x2.extmul_low_i32x4_u (local.get $low) (local.get $high)))
        (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get $d0) (local.get $d0))))
      (local.set $a1 (i64x2.add
        (i64x2.add (local.get $a1) (i64x2.extmul_high_i32x4_u (local.get $low) (local.get $high)))
        (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get $d1) (local.get $d1))))
      (local.set $d0 (v128.load offset=32 (local.get $in)))
      (local.set $d1 (v128.load offset=48 (local.get $in)))
      (local.set $k0 (v128.xor (local.get $d0) (v128.load offset=32 (local.get $secret))))
      (local.set $k1 (v128.xor (local.get $d1) (v128.load offset=48 (local.get $secret))))
      (local.set $low (i8x16.shuffle 0 1 2 3 8 9 10 11 16 17 18 19 24 25 26 27 (local.get $k0) (local.get $k1)))
      (local.set $high (i8x16.shuffle 4 5 6 7 12 13 14 15 20 21 22 23 28 29 30 31 (local.get $k0) (local.get $k1)))
      (local.set $a2 (i64x2.add
        (i64x2.add (local.get $a2) (i64x2.extmul_low_i32x4_u (local.get $low) (local.get $high)))
        (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get $d0) (local.get $d0))))
      (local.set $a3 (i64x2.add
        (i64x2.add (local.get $a3) (i64x2.extmul_high_i32x4_u (local.get $low) (local.get $high)))
        (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get $d1) (local.get $d1))))
      (local.set $in (i32.add (local.get $in) (i32.const 64)))
      (local.set $secret (i32.add (local.get $secret) (i32.const 8)))
      (br_if $next (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
    (v128.store (local.get $acc) (local.get $a0))
    (v128.store offset=16 (local.get $acc) (local.get $a1))
    (v128.store offset=32 (local.get $acc) (local.get $a2))
    (v128.store offset=48 (local.get $acc) (local.get $a3)))

  ;; What follows each kilobyte, over two of the eight accumulators.
  (func $scramble (param $acc i32) (param $secret i32)
    (local $a v128)
    (local.set $a (v128.load (local.get $acc)))
    (v128.store (local.get $acc)
      (i64x2.mul
        (v128.xor
          (v128.xor (local.get $a) (i64x2.shr_u (local.get $a) (i32.const 47)))
          (v128.load offset=128 (local.get $secret)))
        (v128.const i64x2 0x9E3779B1 0x9E3779B1))))

  (func $kilobyte (param $in i32) (param $secret i32) (param $acc i32)
    (call $stripes (local.get $in) (local.get $secret) (i32.const 16) (local.get $acc))
    (call $scramble (local.get $acc) (local.get $secret))
    (call $scramble (i32.add (local.get $acc) (i32.const 16)) (i32.add (local.get $secret) (i32.const 16)))
    (call $scramble (i32.add (local.get $acc) (i32.const 32)) (i32.add (local.get $secret) (i32.const 32)))
    (call $scramble (i32.add (local.get $acc) (i32.const 48)) (i32.add (local.get $secret) (i32.const 48))))

  ;; The two halves of a product of 128 bits, combined.
  (func $fold (param $a i64) (param $b i64) (result i64)
    (local $al i64) (local $ah i64) (local $bl i64) (local $bh i64)
    (local $low i64) (local $middle i64) (local $cross i64)
    (local.set $al (i64.and (local.get $a) (i64.const 0xffffffff)))
    (local.set $ah (i64.shr_u (local.get $a) (i64.const 32)))
    (local.set $bl (i64.and (local.get $b) (i64.const 0xffffffff)))
    (local.set $bh (i64.shr_u (local.get $b) (i64.const 32)))
    (local.set $low (i64.mul (local.get $al) (local.get $bl)))
    (local.set $middle (i64.mul (local.get $ah) (local.get $bl)))
    (local.set $cross (i64.add
      (i64.add (i64.shr_u (local.get $low) (i64.const 32)) (i64.and (local.get $middle) (i64.const 0xffffffff)))
      (i64.mul (local.get $al) (local.get $bh))))
    (i64.xor
      (i64.or (i64.shl (local.get $cross) (i64.const 32)) (i64.and (local.get $low) (i64.const 0xffffffff)))
      (i64.add
        (i64.add (i64.shr_u (local.get $middle) (i64.const 32)) (i64.shr_u (local.get $cross) (i64.const 32)))
        (i64.mul (local.get $ah) (local.get $bh)))))

  (func $mergePair (param $acc i32) (param $secret i32) (result i64)
    (call $fold
      (i64.xor (i64.load (local.get $acc)) (i64.load (local.get $secret)))
      (i64.xor (i64.load offset=8 (local.get $acc)) (i64.load offset=8 (local.get $secret)))))

  (func $merge (param $acc i32) (param $secret i32) (param $start i64) (result i64)
    (local $hash i64)
    (local.set $hash (i64.add
      (i64.add
        (i64.add (local.get $start) (call $mergePair (local.get $acc) (local.get $secret)))
        (call $mergePair (i32.add (local.get $acc) (i32.const 16)) (i32.add (local.get $secret) (i32.const 16))))
      (i64.add
        (call $mergePair (i32.add (local.get $acc) (i32.const 32)) (i32.add (local.get $secret) (i32.const 32)))
        (call $mergePair (i32.add (local.get $acc) (i32.const 48)) (i32.add (local.get $secret) (i32.const 48))))))
    (local.set $hash (i64.mul
      (i64.xor (local.get $hash) (i64.shr_u (local.get $hash) (i64.const 37)))
      (i64.const 0x165667919E3779F9)))
    (i64.xor (local.get $hash) (i64.shr_u (local.get $hash) (i64.const 32))))

  ;; The rest of the input, whose last 64 bytes end at in + count, then the digest.
  (func $finish (param $in i32) (param $count i32) (param $secret i32) (param $acc i32) (param $length i64)
    (call $stripes (local.get $in) (local.get $secret)
      (i32.shr_u (i32.sub (local.get $count) (i32.const 1)) (i32.const 6)) (local.get $acc))
    (call $stripes
      (i32.sub (i32.add (local.get $in) (local.get $count)) (i32.const 64))
      (i32.add (local.get $secret) (i32.const 121)) (i32.const 1) (local.get $acc))
    (i64.store (i32.const 512)
      (call $merge (local.get $acc) (i32.add (local.get $secret) (i32.const 11))
        (i64.mul (local.get $length) (i64.const 0x9E3779B185EBCA87))))
    (i64.store (i32.const 520)
      (call $merge (local.get $acc) (i32.add (local.get $secret) (i32.const 117))
        (i64.xor (i64.mul (local.get $length) (i64.const 0xC2B2AE3D27D4EB4F)) (i64.const -1)))))

  ;; The digest of one block of more than 240 bytes, with the session's seed.
  (func $block (export "block") (param $in i32) (param $length i32)
    (local $left i32)
    (call $begin (i32.const 448))
    (local.set $left (local.get $length))
    (block $done
      (loop $next
        (br_if $done (i32.le_u (local.get $left) (i32.const 1024)))
        (call $kilobyte (local.get $in) (i32.const 192) (i32.const 448))
        (local.set $in (i32.add (local.get $in) (i32.const 1024)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1024)))
        (br $next)))
    (call $finish (local.get $in) (local.get $left) (i32.const 192) (i32.const 448)
      (i64.extend_i32_u (local.get $length))))

  (func (export "fileReset")
    (global.set $held (i32.const 0))
    (global.set $total (i64.const 0))
    (call $begin (i32.const 384)))

  (func (export "fileUpdate") (param $in i32) (param $length i32)
    (local $room i32)
    (if (i32.eqz (local.get $length)) (then (return)))
    (global.set $total (i64.add (global.get $total) (i64.extend_i32_u (local.get $length))))
    (local.set $room (i32.sub (i32.const 1024) (global.get $held)))
    (if (i32.le_u (local.get $length) (local.get $room))
      (then
        (memory.copy (i32.add (i32.const 1024) (global.get $held)) (local.get $in) (local.get $length))
        (global.set $held (i32.add (global.get $held) (local.get $length)))
        (return)))
    ;; Something comes behind what is held, so that it is not the end.
    (if (global.get $held)
      (then
        (memory.copy (i32.add (i32.const 1024) (global.get $held)) (local.get $in) (local.get $room))
        (call $kilobyte (i32.const 1024) (i32.const 0) (i32.const 384))
        (local.set $in (i32.add (local.get $in) (local.get $room)))
        (local.set $length (i32.sub (local.get $length) (local.get $room)))
        (memory.copy (i32.const 960) (i32.const 1984) (i32.const 64))))
    (if (i32.gt_u (local.get $length) (i32.const 1024))
      (then
        (loop $next
          (call $kilobyte (local.get $in) (i32.const 0) (i32.const 384))
          (local.set $in (i32.add (local.get $in) (i32.const 1024)))
          (local.set $length (i32.sub (local.get $length) (i32.const 1024)))
          (br_if $next (i32.gt_u (local.get $length) (i32.const 1024))))
        (memory.copy (i32.const 960) (i32.sub (local.get $in) (i32.const 64)) (i32.const 64))))
    (memory.copy (i32.const 1024) (local.get $in) (local.get $length))
    (global.set $held (local.get $length)))

  ;; The length of the file up to 240, of which the caller makes the digest from what is held; 241 when it has been made.
  (func (export "fileDigest") (result i32)
    (if (i64.le_u (global.get $total) (i64.const 240)) (then (return (global.get $held))))
    (memory.copy (i32.const 448) (i32.const 384) (i32.const 64))
    (call $finish (i32.const 1024) (global.get $held) (i32.const 0) (i32.const 448) (global.get $total))
    (i32.const 241))

  ;; ── weak sums ─────────────────────────────────────────────────────────────────────────────────────────────────────

  (func $add (param $v v128) (result i32)
    (i32.add
      (i32.add (i32x4.extract_lane 0 (local.get $v)) (i32x4.extract_lane 1 (local.get $v)))
      (i32.add (i32x4.extract_lane 2 (local.get $v)) (i32x4.extract_lane 3 (local.get $v)))))

  (func $weak (export "weak") (param $in i32) (param $length i32) (result i32)
    (local $end i32) (local $s1 i32) (local $s2 i32) (local $v1 v128) (local $v2 v128) (local $x v128)
    (local.set $end (i32.add (local.get $in) (i32.and (local.get $length) (i32.const -16))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $in) (local.get $end)))
        (local.set $x (v128.load (local.get $in)))
        (local.set $v2 (i32x4.add
          (i32x4.add (local.get $v2) (i32x4.shl (local.get $v1) (i32.const 4)))
          (i32x4.add
            (i32x4.dot_i16x8_s (i16x8.extend_low_i8x16_s (local.get $x)) (v128.const i16x8 16 15 14 13 12 11 10 9))
            (i32x4.dot_i16x8_s (i16x8.extend_high_i8x16_s (local.get $x)) (v128.const i16x8 8 7 6 5 4 3 2 1)))))
        (local.set $v1 (i32x4.add (local.get $v1)
          (i32x4.extadd_pairwise_i16x8_s (i16x8.extadd_pairwise_i8x16_s (local.get $x)))))
        (local.set $in (i32.add (local.get $in) (i32.const 16)))
        (br $next)))
    (local.set $s1 (call $add (local.get $v1)))
    (local.set $s2 (call $add (local.get $v2)))
    (local.set $end (i32.add (local.get $end) (i32.and (local.get $length) (i32.const 15))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $in) (local.get $end)))
        (local.set $s1 (i32.add (local.get $s1) (i32.load8_s (local.get $in))))
        (local.set $s2 (i32.add (local.get $s2) (local.get $s1)))
        (local.set $in (i32.add (local.get $in) (i32.const 1)))
        (br $next)))
    (i32.or (i32.and (local.get $s1) (i32.const 0xffff)) (i32.shl (local.get $s2) (i32.const 16))))

  ;; Sums of `count` blocks in a row, up to 1024; strongLength 0 leaves out the strong ones.
  (func (export "sums") (param $in i32) (param $length i32) (param $count i32) (param $strongLength i32)
    (local $weakAt i32) (local $strongAt i32)
    (local.set $weakAt (i32.const 4096))
    (local.set $strongAt (i32.const 8192))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $count)))
        (i32.store (local.get $weakAt) (call $weak (local.get $in) (local.get $length)))
        (local.set $weakAt (i32.add (local.get $weakAt) (i32.const 4)))
        (if (local.get $strongLength)
          (then
            (call $block (local.get $in) (local.get $length))
            (memory.copy (local.get $strongAt) (i32.const 512) (local.get $strongLength))
            (local.set $strongAt (i32.add (local.get $strongAt) (local.get $strongLength)))))
        (local.set $in (i32.add (local.get $in) (local.get $length)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next))))

  ;; ── search ────────────────────────────────────────────────────────────────────────────────────────────────────────

  ;; How many blocks in a row, of at most `most`, have the sums at `weakAt` and `strongAt`. The weak sum of the one that differs is kept.
  (func (export "run") (param $in i32) (param $length i32) (param $most i32)
    (param $weakAt i32) (param $strongAt i32) (param $strongLength i32) (result i32)
    (local $found i32) (local $sum i32) (local $i i32)
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $found) (local.get $most)))
        (local.set $sum (call $weak (local.get $in) (local.get $length)))
        (i32.store (i32.const 528) (local.get $sum))
        (br_if $done (i32.ne (local.get $sum) (i32.load (local.get $weakAt))))
        (call $block (local.get $in) (local.get $length))
        (local.set $i (i32.const 0))
        (loop $compare
          (br_if $done (i32.ne
            (i32.load8_u offset=512 (local.get $i))
            (i32.load8_u (i32.add (local.get $strongAt) (local.get $i)))))
          (br_if $compare (i32.lt_u
            (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $strongLength))))
        (local.set $found (i32.add (local.get $found) (i32.const 1)))
        (local.set $in (i32.add (local.get $in) (local.get $length)))
        (local.set $weakAt (i32.add (local.get $weakAt) (i32.const 4)))
        (local.set $strongAt (i32.add (local.get $strongAt) (local.get $strongLength)))
        (br $next)))
    (local.get $found))

  ;; Rolls the window that begins at `at` up to `last`, or to the first whose weak sum is in the table. @returns where it stopped; last + 1 when none was
  (func (export "slide") (param $at i32) (param $last i32) (param $length i32)
    (param $filter i32) (param $slots i32) (param $weakAt i32) (param $shift i32) (param $mask i32) (result i32)
    (local $low i32) (local $high i32) (local $bit i32) (local $sum i32) (local $slot i32) (local $block i32) (local $out i32)
    (local.set $low (i32.load (i32.const 532)))
    (local.set $high (i32.load (i32.const 536)))
    (block $found
      (loop $next
        (local.set $bit (i32.and
          (i32.xor (i32.shl (local.get $high) (i32.const 6)) (i32.and (local.get $low) (i32.const 0xffff)))
          (i32.const 0x3fffff)))
        (if (i32.and
              (i32.load8_u (i32.add (local.get $filter) (i32.shr_u (local.get $bit) (i32.const 3))))
              (i32.shl (i32.const 1) (i32.and (local.get $bit) (i32.const 7))))
          (then
            (local.set $sum (i32.or
              (i32.and (local.get $low) (i32.const 0xffff)) (i32.shl (local.get $high) (i32.const 16))))
            (local.set $slot (i32.shr_u (i32.mul (local.get $sum) (i32.const 0x9E3779B1)) (local.get $shift)))
            (block $absent
              (loop $probe
                (local.set $block (i32.load
                  (i32.add (local.get $slots) (i32.shl (local.get $slot) (i32.const 2)))))
                (br_if $absent (i32.lt_s (local.get $block) (i32.const 0)))
                (br_if $found (i32.eq (local.get $sum) (i32.load
                  (i32.add (local.get $weakAt) (i32.shl (local.get $block) (i32.const 2))))))
                (local.set $slot (i32.and (i32.add (local.get $slot) (i32.const 1)) (local.get $mask)))
                (br $probe)))))
        (local.set $out (i32.load8_s (local.get $at)))
        (local.set $low (i32.sub
          (i32.add (local.get $low) (i32.load8_s (i32.add (local.get $at) (local.get $length))))
          (local.get $out)))
        (local.set $high (i32.sub
          (i32.add (local.get $high) (local.get $low))
          (i32.mul (local.get $length) (local.get $out))))
        (br_if $next (i32.le_u
          (local.tee $at (i32.add (local.get $at) (i32.const 1))) (local.get $last)))))
    (i32.store (i32.const 532) (local.get $low))
    (i32.store (i32.const 536) (local.get $high))
    (local.get $at))
)
