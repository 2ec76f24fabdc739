import NetworkTypes
import Testing

@Suite struct AddressTests {
    @Test(arguments: ["0.0.0.0", "10.0.0.1", "255.255.255.255", "192.168.1.20"])
    func ipv4PrintsAsItWasWritten(_ text: String) throws {
        #expect(try #require(IPv4Address(text)).description == text)
    }

    @Test(arguments: [
        "", "10", "10.0.0", "10.0.0.0.1", "10.0.0.256", "10.0.0.", ".10.0.0", "10..0.1", "10.0.0.1 ",
        "0x0a.0.0.1", "-1.0.0.1", "10.0.0.1/8", "１0.0.0.1",
    ])
    func ipv4RefusesOtherText(_ text: String) { #expect(IPv4Address(text) == nil) }

    @Test(
        "leading zeros are decimal, an IPv4 address in IPv6 notation is the IPv4 address; both are known as legacy spellings",
        arguments: [
            ("192.0.2.007", "192.0.2.7"), ("010.000.000.001", "10.0.0.1"), ("10.0.0.0000008", "10.0.0.8"),
            ("::ffff:192.0.2.1", "192.0.2.1"), ("::FFFF:c000:0201", "192.0.2.1"),
        ])
    func legacySpellings(_ text: String, _ canonical: String) {
        #expect(IPAddress(text)?.description == canonical)
        #expect(IPAddress.isLegacySpelling(text) && !IPAddress.isLegacySpelling(canonical))
    }

    @Test(
        "ranges have the same spellings, and host bits and zeros in the prefix besides",
        arguments: [
            ("203.000.113.000/24", "203.0.113.0/24"), ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("10.0.0.0/08", "10.0.0.0/8"), ("fd00::1/64", "fd00::/64"),
        ])
    func legacyRanges(_ text: String, _ canonical: String) {
        #expect(CIDR(text)?.description == canonical)
        #expect(CIDR.isLegacySpelling(text) && !CIDR.isLegacySpelling(canonical))
    }

    @Test(arguments: ["0.0.0.0", "10.0.0.10", "100.200.0.0", "::", "fd00::0:1", "64:ff9b::10.0.0.1"])
    func usualSpellingsAreNotLegacy(_ text: String) { #expect(!IPAddress.isLegacySpelling(text)) }

    @Test(arguments: [
        ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("FD00::1", "fd00::1"), ("fd00:0:0:0:0:0:0:1", "fd00::1"),
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("2001:0db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("0:0:1::", "0:0:1::"), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.1"), ("64:ff9b::10.0.0.1", "64:ff9b::a00:1"),
        ("1:0:0:2:0:0:0:3", "1:0:0:2::3"), ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
    ])
    func ipv6PrintsItsCanonicalForm(_ text: String, _ canonical: String) throws {
        #expect(try #require(IPv6Address(text)).description == canonical)
    }

    @Test(arguments: [
        "", ":", ":::", "1:::2", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "::1:", ":1::",
        "12345::", "g::", "fe80::1%eth0", "::1/64", "::10.0.0.1:1", "::10.0.0", "1:2:3:4:5:6:7:1.2.3.4", "10.0.0.1",
    ])
    func ipv6RefusesOtherText(_ text: String) { #expect(IPv6Address(text) == nil) }

    @Test(arguments: [
        ("127.0.0.1", "loopback"), ("::1", "loopback"), ("0.0.0.0", "unspecified"), ("::", "unspecified"),
        ("224.0.0.1", "multicast"), ("ff02::1", "multicast"), ("169.254.1.1", "link-local"), ("fe80::1", "link-local"),
        ("febf::1", "link-local"), ("fec0::1", ""), ("128.0.0.1", ""), ("223.255.255.255", ""), ("fd00::1", ""),
        ("255.255.255.255", "broadcast"), ("255.255.255.254", ""), ("ffff:ffff::", "multicast"),
    ])
    func specialAddressesAreKnown(_ text: String, _ expected: String) throws {
        let address = try #require(IPAddress(text))
        let kinds = [
            (address.isLoopback, "loopback"), (address.isUnspecified, "unspecified"),
            (address.isMulticast, "multicast"), (address.isLinkLocal, "link-local"),
            (address.isBroadcast, "broadcast"),
        ]
        #expect(kinds.filter(\.0).map(\.1).joined() == expected)
    }

    @Test func ipv4SortsBeforeIPv6AndByNumber() {
        let sorted = ["9.0.0.1", "10.0.0.1", "::1", "fd00::1"].compactMap { IPAddress($0) }
        #expect(sorted.count == 4)
        #expect(Array(sorted.reversed()).sorted() == sorted)
    }
}

@Suite struct CIDRTests {
    @Test(arguments: [
        ("10.0.0.0/8", "10.0.0.0/8", "10.255.255.255"), ("10.1.2.3/8", "10.0.0.0/8", "10.255.255.255"),
        ("0.0.0.0/0", "0.0.0.0/0", "255.255.255.255"), ("10.0.0.1/32", "10.0.0.1/32", "10.0.0.1"),
        ("fd00::/64", "fd00::/64", "fd00::ffff:ffff:ffff:ffff"),
        ("::/0", "::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("fd00::1/128", "fd00::1/128", "fd00::1"), ("fd00:0:0:0:8::/65", "fd00::/65", "fd00::7fff:ffff:ffff:ffff"),
    ])
    func parsesAndClearsHostBits(_ text: String, _ canonical: String, _ last: String) throws {
        let block = try #require(CIDR(text))
        #expect(block.description == canonical)
        #expect(block.lastAddress.description == last)
    }

    @Test(arguments: [
        "", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "::ffff:10.0.0.0/90", "10.0.0.0/8/8", "fd00::/129",
        "/8",
        "10.0.0.0/+8", "10.0.0.0/8 ",
    ])
    func refusesOtherText(_ text: String) { #expect(CIDR(text) == nil) }

    @Test func containsLooksAtTheFamily() throws {
        let everything = try #require(CIDR("0.0.0.0/0"))
        #expect(everything.contains(try #require(IPAddress("10.0.0.1"))))
        #expect(!everything.contains(try #require(IPAddress("fd00::1"))))
    }

    @Test func collapsedDropsContainedBlocks() {
        let blocks = ["10.1.0.0/16", "10.0.0.0/8", "10.0.0.0/8", "11.0.0.0/8", "fd00::/8", "fd00::1/128"]
        let collapsed = CIDR.collapsed(blocks.compactMap { CIDR($0) })
        #expect(collapsed.map(\.description) == ["10.0.0.0/8", "11.0.0.0/8", "fd00::/8"])
    }
}
