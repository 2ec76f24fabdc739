import FairleadCommands

@main
enum Entry {
    static func main() async {
        // Until the first suspension there is this thread only.
        Fairlead.prepareProcess()
        await Fairlead.runProcess()
    }
}
