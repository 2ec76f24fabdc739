import Testing

@testable import FairleadCommands

@Suite struct StatusClientTests {
    @Test(
        "places of servers",
        arguments: [
            ("http://127.0.0.1:10249", "http://127.0.0.1:10249"), ("10.0.0.1:80/", "http://10.0.0.1:80"),
            ("[::1]:10249", "http://[::1]:10249"), ("https://node1", "https://node1"),
            ("ftp://x", nil), ("http://", nil), ("http://a/b", nil), ("", nil),
        ] as [(String, String?)])
    func servers(_ text: String, _ server: String?) { #expect(StatusClient(text)?.server == server) }
}
