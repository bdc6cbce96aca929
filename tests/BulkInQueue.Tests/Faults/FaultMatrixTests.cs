using System.Reflection;
using Xunit;
using Xunit.Abstractions;

namespace BulkIn;

public sealed class FaultMatrixTests(ITestOutputHelper output)
{
    [Fact]
    public void FaultRows_EachRow_HasATestAtTheSimulatedLevel()
    {
        ILookup<int, string> tests = (
            from type in typeof(FaultMatrixTests).Assembly.GetTypes()
            from method in type.GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly)
            where method.GetCustomAttributes<FactAttribute>(inherit: true).Any()
            from row in method.GetCustomAttributes<FaultRowAttribute>()
            select (row.Row, Name: $"{type.Name}.{method.Name}")).ToLookup(t => t.Row, t => t.Name);

        foreach ((int row, string title) in FaultRows.Titles)
        {
            output.WriteLine($"{row,3}  {title}");
            foreach (string name in tests[row])
            {
                output.WriteLine($"       {name}");
            }
        }

        Assert.Empty(FaultRows.Titles.Where(row => !tests[row.Key].Any()).Select(row => $"Row {row.Key} has no test: {row.Value}."));
        Assert.Empty(tests.Where(row => !FaultRows.Titles.ContainsKey(row.Key)).Select(row => $"{row.First()} names row {row.Key}, which is not listed."));
    }
}
