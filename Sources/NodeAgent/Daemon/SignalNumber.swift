import CLinux

/// Signals by number, without the C library's macros.
enum SignalNumber {
    static let interrupt: Int32 = 2
    static let terminate: Int32 = 15

    /// Takes a signal's default action away, so that a dispatch source sees it.
    static func ignore(_ number: Int32) { fl_ignore_signal(number) }
}
