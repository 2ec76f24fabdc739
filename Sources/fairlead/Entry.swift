import FairleadCommands

@main
enum Entry {
    static func main() async { await Fairlead.runProcess() }
}
