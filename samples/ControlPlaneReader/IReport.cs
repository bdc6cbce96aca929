using BulkIn;

namespace ControlPlaneReader;

/// <summary>The output of a reading: for people or for machines.</summary>
internal interface IReport : IFrameSink
{
    /// <summary>A fault of the endpoint, at its position among the frames.</summary>
    void OnFault(BulkInException fault, TimeSpan time);

    /// <summary>What the reading came to; the last thing reported.</summary>
    void OnSummary(Summary summary);

    /// <summary>Passes on what was reported so far.</summary>
    void Flush();
}
